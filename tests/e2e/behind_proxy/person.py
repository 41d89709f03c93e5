"""Somebody with the cookies of a browser, at FAB's pages through the proxy."""

from __future__ import annotations

import re
from typing import Any

import httpx

from .stack import PASSWORDS


def wish(client: httpx.Client, page: str) -> httpx.Response:
    """Does what Airflow's pages do when nobody is signed in: goes to the sign-in page and says where to go on."""
    wanted = f"{str(client.base_url).rstrip('/')}{page}"
    return client.get("/api/v2/auth/login", params={"next": wanted}, follow_redirects=True)


def sign_in(client: httpx.Client, user: str, page: str = "/", password: str = "") -> httpx.Response:
    """Opens a page, fills in the form, and returns where that ends, with every step before it."""
    return submit(client, wish(client, page), {"username": user, "password": password or PASSWORDS[user]})


def submit(client: httpx.Client, form: httpx.Response, fields: dict[str, Any]) -> httpx.Response:
    """Fills in a form of FAB's as a browser does, with the address of the form as the referrer."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form.text)
    assert found, form.text[:500]
    address = str(form.url)
    data = {"csrf_token": found[1], **fields}
    return client.post(address, data=data, headers={"Referer": address}, follow_redirects=True)


def steps(answer: httpx.Response) -> list[str]:
    """Every address on the way to an answer, the last one included."""
    return [str(each.url) for each in [*answer.history, answer]]


def links(answer: httpx.Response) -> set[str]:
    """Where a page's links, forms, scripts and pictures lead."""
    found = set(re.findall(r'(?:href|src|action)="([^"]*)"', answer.text))
    return {link for link in found if link and not link.startswith(("#", "javascript:", "data:", "mailto:"))}
