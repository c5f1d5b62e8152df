/* SPDX-License-Identifier: BSD-3-Clause */
/* libpq, loaded when a store is first opened on PostgreSQL (lib/base/dl.h). */
#ifndef STORE_PQ_DL_H
#define STORE_PQ_DL_H

#include <libpq-fe.h>

#include "lib/base/err.h"

/* What we call; `pq.PQclear` is libpq's PQclear, and so on. */
#define PQ_DL_FUNCTIONS(X)                                                                         \
    X(PQclear)                                                                                     \
    X(PQcmdStatus)                                                                                 \
    X(PQcmdTuples)                                                                                 \
    X(PQconnectdbParams)                                                                           \
    X(PQconninfo)                                                                                  \
    X(PQconninfoFree)                                                                              \
    X(PQconninfoParse)                                                                             \
    X(PQconsumeInput)                                                                              \
    X(PQenterPipelineMode)                                                                         \
    X(PQdb)                                                                                        \
    X(PQerrorMessage)                                                                              \
    X(PQexec)                                                                                      \
    X(PQexecPrepared)                                                                              \
    X(PQexitPipelineMode)                                                                          \
    X(PQfinish)                                                                                    \
    X(PQfreemem)                                                                                   \
    X(PQftype)                                                                                     \
    X(PQgetResult)                                                                                 \
    X(PQgetisnull)                                                                                 \
    X(PQgetlength)                                                                                 \
    X(PQgetvalue)                                                                                  \
    X(PQhost)                                                                                      \
    X(PQnfields)                                                                                   \
    X(PQnotifies)                                                                                  \
    X(PQntuples)                                                                                   \
    X(PQpipelineSync)                                                                              \
    X(PQport)                                                                                      \
    X(PQprepare)                                                                                   \
    X(PQreset)                                                                                     \
    X(PQresultErrorField)                                                                          \
    X(PQresultErrorMessage)                                                                        \
    X(PQresultStatus)                                                                              \
    X(PQsendQueryPrepared)                                                                         \
    X(PQsetNoticeReceiver)                                                                         \
    X(PQsocket)                                                                                    \
    X(PQstatus)                                                                                    \
    X(PQtransactionStatus)

struct pq_dl {
#define X(name) __typeof__(name) *name;
    PQ_DL_FUNCTIONS(X)
#undef X
};

extern struct pq_dl pq; /* filled by pq_dl_load, never changed after */

/* Any thread. Errors: RK_UNAVAILABLE, the library is not installed. */
RK_MUST enum rk_code pq_dl_load(struct rk_err *err);

#endif
