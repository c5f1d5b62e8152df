/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * News of other processes (PostgreSQL): a thread of its own that hears of their commits by NOTIFY
 * and lets the account's lane follow them, and of who is connected to them. NOTIFY makes it quick;
 * every few seconds the versions and the ends of the journals are compared, and all presence is
 * read, whatever was heard, which makes it sure.
 */
#ifndef MGMT_NEWS_H
#define MGMT_NEWS_H

#include "management/engine/engine.h"

struct news_reader;

/** Owned: news_stop. Called by mgmt_open; the lanes are running. *out NULL where no other process
 *  can be (SQLite). Errors: RK_UNAVAILABLE. */
enum rk_code news_start(struct news_reader **out, struct mgmt *m, struct rk_err *err) RK_MUST;
/** Behind the questions (mgmt_current) that were asked before: their done() has been called. */
void news_drain(struct news_reader *r); /* accepts NULL */
void news_stop(struct news_reader *r);  /* accepts NULL; before the lanes stop */

#endif
