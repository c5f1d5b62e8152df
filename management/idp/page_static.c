/* SPDX-License-Identifier: BSD-3-Clause */
/* Style and script of the pages. The script only adds comfort: show the password, copy a text; what
 * it needs is hidden until it runs, and all pages work without it. */
#include "config.h"

#include "management/idp/page_static.h"

/* Contrast: text at least 4.5:1 on what it stands on, edges of fields and the focus ring 3:1 (WCAG
 * 2.2 AA), in both schemes. */
static const char STYLE[] =
    ":root{color-scheme:light dark;--bg:#f3f5f8;--card:#fff;--text:#16202e;--soft:#5b6878;"
    "--line:#d5dce6;--edge:#7a8798;--main:#c2410c;--main2:#9a3412;--on:#fff;--bad:#b42318;"
    "--badbg:#fef3f2;--good:#067647}"
    "@media(prefers-color-scheme:dark){:root{--bg:#0e131b;--card:#171e29;--text:#e8edf4;"
    "--soft:#9aa8ba;--line:#2b3646;--edge:#6f7d90;--main:#f97316;--main2:#fb8c3c;--on:#1c0d02;"
    "--bad:#fda29b;--badbg:#3a1512;--good:#47cd89}}"
    "*{box-sizing:border-box}html,body{min-height:100%}"
    "body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,-apple-system,"
    "'Segoe UI',Roboto,Cantarell,sans-serif;display:grid;place-items:center;min-height:100vh;"
    "padding:24px}"
    "main{width:100%;max-width:420px;background:var(--card);border:1px solid var(--line);"
    "border-radius:14px;padding:32px;box-shadow:0 8px 30px rgba(16,24,40,.08);"
    "overflow-wrap:anywhere}"
    ".brand{display:flex;align-items:center;gap:10px;font-weight:650;color:var(--soft);"
    "margin-bottom:20px}.brand small{font-weight:400}"
    ".mark{width:28px;height:28px;border-radius:8px;background:var(--main);display:inline-block;"
    "position:relative;flex:none}"
    ".mark:after{content:'';position:absolute;inset:8px;border-radius:50%;background:var(--card)}"
    "h1{font-size:1.45rem;line-height:1.25;margin:0 0 6px}p{margin:0 0 20px;color:var(--soft)}"
    "p strong,p code,li code{color:var(--text)}a{color:var(--text)}"
    "label{display:block;font-weight:560;margin:0 0 6px}"
    "input[type=email],input[type=text],input[type=password]{width:100%;font:inherit;color:inherit;"
    "background:transparent;border:1px solid var(--edge);border-radius:9px;padding:11px 13px;"
    "margin:0 0 16px}"
    "input.code{font-family:ui-monospace,monospace;font-size:1.5rem;letter-spacing:.14em;"
    "text-align:center;text-transform:uppercase}"
    "input:focus-visible,button:focus-visible,a:focus-visible,summary:focus-visible{"
    "outline:3px solid var(--main);outline-offset:2px}"
    "button{width:100%;font:inherit;font-weight:600;border-radius:9px;padding:12px 14px;"
    "cursor:pointer;border:1px solid var(--main);background:var(--main);color:var(--on)}"
    "button:hover{background:var(--main2);border-color:var(--main2)}"
    "button.other{margin-top:10px;background:transparent;color:var(--text);"
    "border-color:var(--edge)}"
    "button.plain{width:auto;background:transparent;border:0;color:var(--text);padding:4px 0;"
    "margin:-8px 0 16px;font-weight:400;text-decoration:underline}"
    "button.plain:hover{background:transparent}"
    ".problem{background:var(--badbg);color:var(--bad);border-radius:9px;padding:11px 13px;"
    "margin:0 0 18px}"
    ".big{font-family:ui-monospace,monospace;font-size:1.6rem;letter-spacing:.14em;"
    "text-align:center;color:var(--text);border:1px dashed var(--edge);border-radius:9px;"
    "padding:12px}"
    ".qr{display:block;width:220px;height:220px;margin:0 auto 16px;background:#fff;"
    "border-radius:9px}.key{font-family:ui-monospace,monospace;text-align:center;"
    "color:var(--text);user-select:all;margin-bottom:8px}"
    ".codes{font-family:ui-monospace,monospace;columns:2;padding:12px 12px 12px 32px;margin:0 0 "
    "16px;border:1px dashed var(--edge);border-radius:9px}"
    "a.button{display:block;margin-top:10px;padding:11px 14px;border:1px solid var(--edge);"
    "border-radius:9px;text-align:center;font-weight:600;color:var(--text);text-decoration:none}"
    "a.button:hover{border-color:var(--main)}"
    "details{margin-top:18px;font-size:.9rem;color:var(--soft)}summary{cursor:pointer}"
    "details p{margin:8px 0 0}"
    ".icon{font-size:2.4rem;line-height:1;margin:0 0 10px}.y{color:var(--good)}.n{color:var(--bad)}"
    "footer{margin-top:22px;font-size:.83rem;color:var(--soft)}";

static const char SCRIPT[] =
    "for(const b of document.querySelectorAll('button[data-show]')){"
    "const f=document.getElementById(b.dataset.show);b.hidden=false;"
    "b.onclick=()=>{const s=f.type==='password';f.type=s?'text':'password';"
    "b.textContent=s?'Hide password':'Show password';b.setAttribute('aria-pressed',s);f.focus()}}"
    "if(navigator.clipboard)for(const b of document.querySelectorAll('button[data-copy]')){"
    "b.hidden=false;b.onclick=()=>navigator.clipboard.writeText(b.dataset.copy).then("
    "()=>{b.textContent='Copied'})}\n";

static enum rk_code file(struct http_resp *resp, const char *type, const char *text)
{
    resp->content_type = type;
    http_resp_header(resp, "Cache-Control", RK_STR("public, max-age=3600"));
    http_resp_header(resp, "X-Content-Type-Options", RK_STR("nosniff"));
    rk_buf_addz(&resp->body, text);
    return RK_OK;
}

enum rk_code idp_style(struct http_req *req, struct http_resp *resp, struct db *db,
                       struct rk_err *err)
{
    (void)req;
    (void)db;
    (void)err;
    return file(resp, "text/css; charset=utf-8", STYLE);
}

enum rk_code idp_script(struct http_req *req, struct http_resp *resp, struct db *db,
                        struct rk_err *err)
{
    (void)req;
    (void)db;
    (void)err;
    return file(resp, "text/javascript; charset=utf-8", SCRIPT);
}
