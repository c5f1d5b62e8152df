/* SPDX-License-Identifier: BSD-3-Clause */
/* Nothing of a configured build concerns agent/os/bsd. */
