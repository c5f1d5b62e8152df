/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of management/traffic: shared by traffic.c, service.c and read.c only. */
#ifndef MGMT_TRAFFIC_IMPL_H
#define MGMT_TRAFFIC_IMPL_H

#include <pthread.h>

#include "lib/crypto/secret.h"
#include "lib/grpc/server.h"
#include "management/traffic/traffic.h"
#include "management/traffic/writer.h"

struct traffic {
    struct mgmt *m;
    struct rk_key token_key;
    bool addresses_only;
    struct traffic_writer *writer;
    struct rk_metric *stored, *refused;
    struct rk_log_gate gate;
    pthread_mutex_t lock; /* guards reader */
    struct db *reader;    /* for REST */
};

/** One method for edge_add_grpc; the app of its calls is a struct traffic. */
extern const struct grpc_method TRAFFIC_METHODS[];
extern const size_t TRAFFIC_N_METHODS;

#endif
