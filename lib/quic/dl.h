/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ngtcp2 and GnuTLS, loaded when the first endpoint is made (lib/base/dl.h): a dozen libraries come
 * with them, which a program that never speaks QUIC should not carry. The functions keep their
 * names here; one that is called and not listed is missed by the linker.
 */
#ifndef RK_QUIC_DL_H
#define RK_QUIC_DL_H

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include "lib/base/err.h"

#define QUIC_DL_NGTCP2(X)                                                                          \
    X(ngtcp2_accept)                                                                               \
    X(ngtcp2_cid_init)                                                                             \
    X(ngtcp2_conn_client_new_versioned)                                                            \
    X(ngtcp2_conn_del)                                                                             \
    X(ngtcp2_conn_extend_max_offset)                                                               \
    X(ngtcp2_conn_get_connection_close_error)                                                      \
    X(ngtcp2_conn_get_dcid)                                                                        \
    X(ngtcp2_conn_get_expiry)                                                                      \
    X(ngtcp2_conn_get_path)                                                                        \
    X(ngtcp2_conn_get_path_max_tx_udp_payload_size)                                                \
    X(ngtcp2_conn_get_remote_transport_params)                                                     \
    X(ngtcp2_conn_get_tls_alert)                                                                   \
    X(ngtcp2_conn_handle_expiry)                                                                   \
    X(ngtcp2_conn_initiate_immediate_migration)                                                    \
    X(ngtcp2_conn_read_pkt_versioned)                                                              \
    X(ngtcp2_conn_server_new_versioned)                                                            \
    X(ngtcp2_conn_set_keep_alive_timeout)                                                          \
    X(ngtcp2_conn_set_tls_native_handle)                                                           \
    X(ngtcp2_conn_write_connection_close_versioned)                                                \
    X(ngtcp2_conn_write_pkt_versioned)                                                             \
    X(ngtcp2_conn_writev_datagram_versioned)                                                       \
    X(ngtcp2_connection_close_error_default)                                                       \
    X(ngtcp2_connection_close_error_set_application_error)                                         \
    X(ngtcp2_connection_close_error_set_transport_error_liberr)                                    \
    X(ngtcp2_connection_close_error_set_transport_error_tls_alert)                                 \
    X(ngtcp2_path_storage_zero)                                                                    \
    X(ngtcp2_pkt_decode_version_cid)                                                               \
    X(ngtcp2_pkt_write_stateless_reset)                                                            \
    X(ngtcp2_pkt_write_version_negotiation)                                                        \
    X(ngtcp2_settings_default_versioned)                                                           \
    X(ngtcp2_strerror)                                                                             \
    X(ngtcp2_transport_params_default_versioned)

#define QUIC_DL_CRYPTO(X)                                                                          \
    X(ngtcp2_crypto_client_initial_cb)                                                             \
    X(ngtcp2_crypto_decrypt_cb)                                                                    \
    X(ngtcp2_crypto_delete_crypto_aead_ctx_cb)                                                     \
    X(ngtcp2_crypto_delete_crypto_cipher_ctx_cb)                                                   \
    X(ngtcp2_crypto_encrypt_cb)                                                                    \
    X(ngtcp2_crypto_generate_retry_token)                                                          \
    X(ngtcp2_crypto_generate_stateless_reset_token)                                                \
    X(ngtcp2_crypto_get_path_challenge_data_cb)                                                    \
    X(ngtcp2_crypto_gnutls_configure_client_session)                                               \
    X(ngtcp2_crypto_gnutls_configure_server_session)                                               \
    X(ngtcp2_crypto_hp_mask_cb)                                                                    \
    X(ngtcp2_crypto_recv_client_initial_cb)                                                        \
    X(ngtcp2_crypto_recv_crypto_data_cb)                                                           \
    X(ngtcp2_crypto_recv_retry_cb)                                                                 \
    X(ngtcp2_crypto_update_key_cb)                                                                 \
    X(ngtcp2_crypto_verify_retry_token)                                                            \
    X(ngtcp2_crypto_version_negotiation_cb)                                                        \
    X(ngtcp2_crypto_write_connection_close)                                                        \
    X(ngtcp2_crypto_write_retry)

#define QUIC_DL_GNUTLS(X)                                                                          \
    X(gnutls_alpn_set_protocols)                                                                   \
    X(gnutls_certificate_allocate_credentials)                                                     \
    X(gnutls_certificate_free_credentials)                                                         \
    X(gnutls_certificate_get_peers)                                                                \
    X(gnutls_certificate_set_verify_function)                                                      \
    X(gnutls_certificate_set_x509_key_mem2)                                                        \
    X(gnutls_credentials_set)                                                                      \
    X(gnutls_db_get_ptr)                                                                           \
    X(gnutls_db_set_ptr)                                                                           \
    X(gnutls_deinit)                                                                               \
    X(gnutls_handshake_set_timeout)                                                                \
    X(gnutls_init)                                                                                 \
    X(gnutls_priority_deinit)                                                                      \
    X(gnutls_priority_init)                                                                        \
    X(gnutls_priority_set)                                                                         \
    X(gnutls_server_name_set)                                                                      \
    X(gnutls_session_set_ptr)                                                                      \
    X(gnutls_strerror)

struct quic_dl {
#define X(name) __typeof__(name) *name;
    QUIC_DL_NGTCP2(X)
    QUIC_DL_CRYPTO(X)
    QUIC_DL_GNUTLS(X)
#undef X
};

extern struct quic_dl quic_dl; /* filled by quic_dl_load, never changed after */

/** Load them, once. Any thread; the first call reads files, some milliseconds. Errors:
 *  RK_UNAVAILABLE, one is not installed. */
RK_MUST enum rk_code quic_dl_load(struct rk_err *err);

#ifndef QUIC_DL_OWN_NAMES
#define ngtcp2_accept                          quic_dl.ngtcp2_accept
#define ngtcp2_cid_init                        quic_dl.ngtcp2_cid_init
#define ngtcp2_conn_client_new_versioned       quic_dl.ngtcp2_conn_client_new_versioned
#define ngtcp2_conn_del                        quic_dl.ngtcp2_conn_del
#define ngtcp2_conn_extend_max_offset          quic_dl.ngtcp2_conn_extend_max_offset
#define ngtcp2_conn_get_connection_close_error quic_dl.ngtcp2_conn_get_connection_close_error
#define ngtcp2_conn_get_dcid                   quic_dl.ngtcp2_conn_get_dcid
#define ngtcp2_conn_get_expiry                 quic_dl.ngtcp2_conn_get_expiry
#define ngtcp2_conn_get_path                   quic_dl.ngtcp2_conn_get_path
#define ngtcp2_conn_get_path_max_tx_udp_payload_size                                               \
    quic_dl.ngtcp2_conn_get_path_max_tx_udp_payload_size
#define ngtcp2_conn_get_remote_transport_params  quic_dl.ngtcp2_conn_get_remote_transport_params
#define ngtcp2_conn_get_tls_alert                quic_dl.ngtcp2_conn_get_tls_alert
#define ngtcp2_conn_handle_expiry                quic_dl.ngtcp2_conn_handle_expiry
#define ngtcp2_conn_initiate_immediate_migration quic_dl.ngtcp2_conn_initiate_immediate_migration
#define ngtcp2_conn_read_pkt_versioned           quic_dl.ngtcp2_conn_read_pkt_versioned
#define ngtcp2_conn_server_new_versioned         quic_dl.ngtcp2_conn_server_new_versioned
#define ngtcp2_conn_set_keep_alive_timeout       quic_dl.ngtcp2_conn_set_keep_alive_timeout
#define ngtcp2_conn_set_tls_native_handle        quic_dl.ngtcp2_conn_set_tls_native_handle
#define ngtcp2_conn_write_connection_close_versioned                                               \
    quic_dl.ngtcp2_conn_write_connection_close_versioned
#define ngtcp2_conn_write_pkt_versioned       quic_dl.ngtcp2_conn_write_pkt_versioned
#define ngtcp2_conn_writev_datagram_versioned quic_dl.ngtcp2_conn_writev_datagram_versioned
#define ngtcp2_connection_close_error_default quic_dl.ngtcp2_connection_close_error_default
#define ngtcp2_connection_close_error_set_application_error                                        \
    quic_dl.ngtcp2_connection_close_error_set_application_error
#define ngtcp2_connection_close_error_set_transport_error_liberr                                   \
    quic_dl.ngtcp2_connection_close_error_set_transport_error_liberr
#define ngtcp2_connection_close_error_set_transport_error_tls_alert                                \
    quic_dl.ngtcp2_connection_close_error_set_transport_error_tls_alert
#define ngtcp2_path_storage_zero                  quic_dl.ngtcp2_path_storage_zero
#define ngtcp2_pkt_decode_version_cid             quic_dl.ngtcp2_pkt_decode_version_cid
#define ngtcp2_pkt_write_stateless_reset          quic_dl.ngtcp2_pkt_write_stateless_reset
#define ngtcp2_pkt_write_version_negotiation      quic_dl.ngtcp2_pkt_write_version_negotiation
#define ngtcp2_settings_default_versioned         quic_dl.ngtcp2_settings_default_versioned
#define ngtcp2_strerror                           quic_dl.ngtcp2_strerror
#define ngtcp2_transport_params_default_versioned quic_dl.ngtcp2_transport_params_default_versioned
#define ngtcp2_crypto_client_initial_cb           quic_dl.ngtcp2_crypto_client_initial_cb
#define ngtcp2_crypto_decrypt_cb                  quic_dl.ngtcp2_crypto_decrypt_cb
#define ngtcp2_crypto_delete_crypto_aead_ctx_cb   quic_dl.ngtcp2_crypto_delete_crypto_aead_ctx_cb
#define ngtcp2_crypto_delete_crypto_cipher_ctx_cb quic_dl.ngtcp2_crypto_delete_crypto_cipher_ctx_cb
#define ngtcp2_crypto_encrypt_cb                  quic_dl.ngtcp2_crypto_encrypt_cb
#define ngtcp2_crypto_generate_retry_token        quic_dl.ngtcp2_crypto_generate_retry_token
#define ngtcp2_crypto_generate_stateless_reset_token                                               \
    quic_dl.ngtcp2_crypto_generate_stateless_reset_token
#define ngtcp2_crypto_get_path_challenge_data_cb quic_dl.ngtcp2_crypto_get_path_challenge_data_cb
#define ngtcp2_crypto_gnutls_configure_client_session                                              \
    quic_dl.ngtcp2_crypto_gnutls_configure_client_session
#define ngtcp2_crypto_gnutls_configure_server_session                                              \
    quic_dl.ngtcp2_crypto_gnutls_configure_server_session
#define ngtcp2_crypto_hp_mask_cb                quic_dl.ngtcp2_crypto_hp_mask_cb
#define ngtcp2_crypto_recv_client_initial_cb    quic_dl.ngtcp2_crypto_recv_client_initial_cb
#define ngtcp2_crypto_recv_crypto_data_cb       quic_dl.ngtcp2_crypto_recv_crypto_data_cb
#define ngtcp2_crypto_recv_retry_cb             quic_dl.ngtcp2_crypto_recv_retry_cb
#define ngtcp2_crypto_update_key_cb             quic_dl.ngtcp2_crypto_update_key_cb
#define ngtcp2_crypto_verify_retry_token        quic_dl.ngtcp2_crypto_verify_retry_token
#define ngtcp2_crypto_version_negotiation_cb    quic_dl.ngtcp2_crypto_version_negotiation_cb
#define ngtcp2_crypto_write_connection_close    quic_dl.ngtcp2_crypto_write_connection_close
#define ngtcp2_crypto_write_retry               quic_dl.ngtcp2_crypto_write_retry
#define gnutls_alpn_set_protocols               quic_dl.gnutls_alpn_set_protocols
#define gnutls_certificate_allocate_credentials quic_dl.gnutls_certificate_allocate_credentials
#define gnutls_certificate_free_credentials     quic_dl.gnutls_certificate_free_credentials
#define gnutls_certificate_get_peers            quic_dl.gnutls_certificate_get_peers
#define gnutls_certificate_set_verify_function  quic_dl.gnutls_certificate_set_verify_function
#define gnutls_certificate_set_x509_key_mem2    quic_dl.gnutls_certificate_set_x509_key_mem2
#define gnutls_credentials_set                  quic_dl.gnutls_credentials_set
#define gnutls_db_get_ptr                       quic_dl.gnutls_db_get_ptr
#define gnutls_db_set_ptr                       quic_dl.gnutls_db_set_ptr
#define gnutls_deinit                           quic_dl.gnutls_deinit
#define gnutls_handshake_set_timeout            quic_dl.gnutls_handshake_set_timeout
#define gnutls_init                             quic_dl.gnutls_init
#define gnutls_priority_deinit                  quic_dl.gnutls_priority_deinit
#define gnutls_priority_init                    quic_dl.gnutls_priority_init
#define gnutls_priority_set                     quic_dl.gnutls_priority_set
#define gnutls_server_name_set                  quic_dl.gnutls_server_name_set
#define gnutls_session_set_ptr                  quic_dl.gnutls_session_set_ptr
#define gnutls_strerror                         quic_dl.gnutls_strerror
#endif

#endif
