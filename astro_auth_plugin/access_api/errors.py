"""The errors of the API: Airflow's `detail` in words, and a stable `code` for programs beside it."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

log = logging.getLogger(__name__)


class ApiError(Exception):
    """An answer that is no success.

    Args:
        status: of the answer.
        code: what happened, as a stable word.
        detail: what happened and what to do, for people.
        more: further keys of the answer.
    """

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.more = more

    def answer(self) -> JSONResponse:
        """Return the answer."""
        return answer(self.status, self.code, self.detail, **self.more)


def answer(status: int, code: str, detail: str, **more: Any) -> JSONResponse:
    """Return an answer that is no success, as `ApiError` has it."""
    return JSONResponse({"detail": detail, "code": code, **more}, status, {"Cache-Control": "no-store"})


def denied(detail: str, *missing: str) -> ApiError:
    """Return the answer to callers who may not do something; `missing` are the rights that they would need."""
    return ApiError(HTTPStatus.FORBIDDEN, "denied", detail, missing=list(missing))


def not_found(what: str) -> ApiError:
    """Return the answer about what does not exist, or may not be seen."""
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", f"There is no {what}, or you may not see it.")


def invalid(detail: str) -> ApiError:
    """Return the answer to what cannot be done with the policy as it is."""
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail)


def of_api_error(_: Request, error: Exception) -> JSONResponse:
    """Answer with an `ApiError`."""
    assert isinstance(error, ApiError)
    return error.answer()


_CODES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "not_signed_in",
    HTTPStatus.FORBIDDEN: "denied",
    HTTPStatus.NOT_FOUND: "not_found",
}


def of_http_error(_: Request, error: Exception) -> JSONResponse:
    """Answer with an error of the framework, or of Airflow's sign-in."""
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "invalid")
    response = answer(error.status_code, code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


def of_invalid_request(_: Request, error: Exception) -> JSONResponse:
    """Answer to a request that has not the documented form. Values are not repeated: one may be a secret."""
    assert isinstance(error, RequestValidationError)
    problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return answer(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "\n".join(problems))


def of_database_error(_: Request, error: Exception) -> JSONResponse:
    """Answer while the metadata database does not."""
    assert isinstance(error, SQLAlchemyError)
    log.error("The access API cannot use the metadata database: %s", type(error).__name__)
    return answer(
        HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "The metadata database does not answer. Try again in a moment."
    )
