/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the hub stand on: its lock, posts to loops, counted streams; see hub_impl.h. */
#include "config.h"

#include <stdlib.h>

#include "management/push/hub_impl.h"

void hub_post(struct hub *h, struct hub_post *p, struct rk_loop *loop,
              void (*run)(struct rk_task *t))
{
    p->loop = loop;
    p->task = (struct rk_task){.run = run};
    rk_list_push_back(&h->posts, &p->link);
}

/* Unlock, then do what was collected: posts may free what they belong to as soon as they are made,
 * so each is taken off the list first. */
void hub_unlock(struct hub *h)
{
    struct rk_list posts, *node;
    uint64_t submit = 0;

    rk_list_init(&posts);
    rk_list_splice(&posts, &h->posts);
    for (size_t i = 0; h->submit_any && i < h->n_builders; i++) {
        submit |= (uint64_t)h->builders[i].submit << i;
        h->builders[i].submit = false;
    }
    h->submit_any = false;
    (void)pthread_mutex_unlock(&h->lock);
    while ((node = rk_list_pop_front(&posts))) {
        struct hub_post *p = rk_container_of(node, struct hub_post, link);

        rk_loop_post(p->loop, &p->task);
    }
    for (size_t i = 0; submit; i++, submit >>= 1) {
        if (!(submit & 1) || rk_pool_submit(h->build, &h->builders[i].work) == RK_OK)
            continue;
        (void)pthread_mutex_lock(&h->lock); /* the pool is stopping */
        h->builders[i].busy = false;
        (void)pthread_mutex_unlock(&h->lock);
    }
}

void hub_stream_unref(struct hub_stream *s)
{
    if (--s->refs)
        return;
    box_shared_wipe(&s->shared);
    free(s);
}
