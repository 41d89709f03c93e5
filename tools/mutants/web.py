"""Faults in the middleware and what it answers."""

from __future__ import annotations

from tools.mutants.fault import WEB, Fault

FAULTS = (
    Fault(
        "a body may take for ever to arrive",
        "bounded",
        "current_time() + BODY_SECONDS",
        "math.inf",
        ("tests/web/test_size_limits.py",),
    ),
    Fault(
        "a request with a body takes a place of those that query a provider",
        "_has_body",
        "b'transfer-encoding' in headers or headers.get(b'content-length', b'0') != b'0'",
        "False",
        ("tests/web/test_passwords.py",),
    ),
    Fault(
        "a method in small letters passes the checks of passwords",
        "_other_method",
        "scope['method'].isupper()",
        "True",
        ("tests/web/test_passwords.py",),
    ),
    Fault(
        "the middleware works under another auth manager",
        "request_middleware",
        "not any((base.__module__.startswith('astro_auth_plugin.') for base in get_auth_manager_cls().__mro__))",
        "not get_auth_manager_cls() and any((base.__module__.startswith('astro_auth_plugin.') for base in get_auth_manager_cls().__mro__))",
        ("tests/web/test_middleware.py",),
    ),
    Fault(
        "a cache keeps a token",
        "keeping_tokens_out_of_caches.send_header",
        "path in TOKENS_IN_BODY or _sets_token(message['headers'])",
        "_sets_token(message['headers'])",
        ("tests/web/test_answers.py",),
    ),
    Fault(
        "a closed page sends people round",
        "lead_on.LeadingView.login",
        """if closed:
    page = html_pages.closed(closed, read_settings().access_contact, self.appbuilder.get_url_for_index)
    return make_response(page, FORBIDDEN, {'Cache-Control': 'no-store'})""",
        """if False:
    page = html_pages.closed(closed, read_settings().access_contact, self.appbuilder.get_url_for_index)
    return make_response(page, FORBIDDEN, {'Cache-Control': 'no-store'})""",
        ("tests/authentication/test_redirect_loop_guard.py",),
    ),
    Fault(
        "a browser is reported why a read was refused",
        "tell_read",
        "context.is_from_api_client",
        "True",
        ("tests/authorization/test_authorizer.py",),
    ),
    Fault(
        "an answer is complete before its refusal is recorded",
        "_keeping_the_end.send_but_the_end",
        "context.denial is not None or context.events or (used is not None and used.is_token)",
        "context.events or (used is not None and used.is_token)",
        WEB,
    ),
    Fault(
        "a refused write says Forbidden",
        "telling_refusals.send_reason",
        "message['type'] == 'http.response.start' and message['status'] == FORBIDDEN and reason",
        "message['type'] == 'http.response.start' and False",
        WEB,
    ),
    Fault(
        "strangers send large bodies where tokens are handed out",
        "looked_at",
        "passwords.is_password(scope, path) or path.rstrip('/') in TOKENS_IN_BODY",
        "passwords.is_password(scope, path)",
        ("tests/web/test_request_bodies.py",),
    ),
    Fault(
        "the announced length of a body is not looked at",
        "_read_json",
        """if announced_size > limit:
    raise _BodyTooLarge""",
        "",
        ("tests/web/test_request_bodies.py",),
    ),
    Fault(
        "a large body is not looked at",
        "_read_json",
        """if len(text) > limit:
    raise _BodyTooLarge""",
        """if len(text) > limit:
            break""",
        WEB,
    ),
    Fault("the page repeats an e-mail unescaped", "no_access", "escape(email)", "email", WEB),
    Fault(
        "strangers send bodies of any size on routes of workers",
        "has_no_limit",
        "path.startswith(_FOR_WORKERS) and await worker_tokens.is_from_worker(scope)",
        "path.startswith(_FOR_WORKERS)",
        ("tests/web/test_size_limits.py",),
    ),
    Fault(
        "tokens of workers lift the limit everywhere",
        "has_no_limit",
        "path.startswith(_FOR_WORKERS) and await worker_tokens.is_from_worker(scope)",
        "await worker_tokens.is_from_worker(scope)",
        ("tests/web/test_size_limits.py",),
    ),
    Fault(
        "a token of a user is one of a worker",
        "validator",
        "conf.get_mandatory_list_value('execution_api', 'jwt_audience')",
        "conf.get_mandatory_list_value('api_auth', 'jwt_audience')",
        ("tests/web/test_size_limits.py",),
    ),
    Fault(
        "a form with a password may be large",
        "looked_at",
        "size_limits.LARGEST_SIGN_IN if signs_in else MAX_BODY",
        "MAX_BODY",
        ("tests/web/test_request_bodies.py",),
    ),
    Fault(
        "strangers send as many headers as they like",
        "head_is_too_large",
        "len(headers) > MOST_HEADERS or size > LARGEST_HEAD",
        "size > LARGEST_HEAD",
        ("tests/web/test_size_limits.py",),
    ),
    Fault(
        "strangers send headers as long as they like",
        "head_is_too_large",
        "len(headers) > MOST_HEADERS or size > LARGEST_HEAD",
        "len(headers) > MOST_HEADERS",
        ("tests/web/test_size_limits.py",),
    ),
    Fault(
        "the headers are copied for each type of a body",
        "name_json",
        """scope['headers'] = [(name, _named_json(value) if name.lower() == b'content-type' else value) for name, value in scope['headers']]""",
        """scope['headers'] = [(name, _named_json(value) if name.lower() == b'content-type' else value) for name, value in (list(scope['headers'])[index] for index in range(len(scope['headers'])))]""",
        ("tests/web/test_request_bodies.py",),
    ),
    Fault(
        "cookies with backslashes reach Airflow",
        "drop_escaped_cookies",
        "name == b'cookie'",
        "name == b''",
        ("tests/web/test_size_limits.py",),
    ),
    Fault(
        "trailers become headers",
        "HeadLimits.on_header",
        "self._in_head",
        "True",
        ("tests/web/test_request_head.py",),
    ),
    Fault(
        "headers that a server adds later become those of the request",
        "PeerKeeper.__call__",
        "scope['headers'] = list(scope['headers'])",
        "",
        ("tests/web/test_request_head.py",),
    ),
    Fault(
        "a head that does not end is collected",
        "HeadLimits.data_received",
        "self._unfinished > LARGEST_HEAD and (not self.transport.is_closing())",
        "False",
        ("tests/web/test_request_head.py",),
    ),
    Fault(
        "a server parses heads without limits",
        "keep",
        "config.http_protocol_class = protocol",
        "",
        ("tests/web/test_request_head.py",),
    ),
    Fault(
        "a body after an upgrade is the next request",
        "HeadLimits.on_headers_complete",
        "self.cycle.keep_alive = False",
        "",
        ("tests/web/test_request_head.py",),
    ),
    Fault(
        "a parser that nothing is known about is trusted",
        "limited",
        "return None",
        "return protocol",
        ("tests/web/test_request_head.py",),
    ),
    Fault(
        "a body that announces no size has no limit",
        "bounded.receive_within",
        "size <= limit",
        "True",
        ("tests/web/test_size_limits.py",),
    ),
    Fault(
        "one address takes all places of those that wait to sign in",
        "_Door.serve",
        "self._waiting[sender] >= MOST_OF_ONE",
        "False",
        ("tests/web/test_passwords.py",),
    ),
)
