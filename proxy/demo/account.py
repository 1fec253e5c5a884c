"""Accounts: register, sign in, sign out, my orders."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

from proxy.demo.orders import Mistake, parse_email
from proxy.demo.rendering import render_page, see_other
from proxy.demo.sessions import keep_session, read_form, read_session, renew_session
from proxy.demo.state import STATE, Account, hash_password

if TYPE_CHECKING:
    from aiohttp import web

_MIN_PASSWORD, _MAX_PASSWORD = 8, 128  # NIST SP 800-63B, 5.1.1.2: at least 8, and long ones allowed


async def show_account(request: web.Request) -> web.Response:
    """`GET /account`: my orders, or the way to sign in."""
    state, session = request.app[STATE], read_session(request)
    account = state.accounts.get(session.email)
    if account is None:
        return see_other("/account/login")
    orders = state.find_orders(session)
    return render_page(request, "account.html", account=account, orders=orders)


async def login(request: web.Request) -> web.Response:
    """`GET` and `POST /account/login`: email, password."""
    if request.method != "POST":
        return render_page(request, "login.html", form={}, mistakes=[])
    form = await read_form(request)
    account = request.app[STATE].accounts.get(form.get("email", "").strip().casefold())
    # An unknown e-mail costs the same hash as a wrong password, and gets the same words.
    hashed = await hash_password(
        form.get("password", "")[:_MAX_PASSWORD], account.salt if account else b"none"
    )
    if account is None or not hmac.compare_digest(hashed, account.hashed):
        mistakes = [
            Mistake(field="email", message="This e-mail address and password do not belong together.")
        ]
        return render_page(request, "login.html", status=422, form=form, mistakes=mistakes)
    session = renew_session(request)
    session.email = account.email.casefold()
    session.notice = f"Welcome back, {account.name}."
    return see_other("/account")


async def register(request: web.Request) -> web.Response:
    """`GET` and `POST /account/register`: name, email, password."""
    if request.method != "POST":
        return render_page(request, "register.html", form={}, mistakes=[])
    form = await read_form(request)
    accounts = request.app[STATE].accounts
    name = " ".join(form.get("name", "").split())
    email = parse_email(form.get("email", ""))
    password = form.get("password", "")
    mistakes: list[Mistake] = []
    if not 1 <= len(name) <= 100:
        mistakes.append(Mistake(field="name", message="Please enter your name."))
    if email is None:
        message = "Please enter an e-mail address, such as sam@example.com."
        mistakes.append(Mistake(field="email", message=message))
    elif email.casefold() in accounts:
        message = "There is an account with this e-mail address already: please sign in."
        mistakes.append(Mistake(field="email", message=message))
    if not _MIN_PASSWORD <= len(password) <= _MAX_PASSWORD:
        message = f"Please choose a password of {_MIN_PASSWORD} to {_MAX_PASSWORD} characters."
        mistakes.append(Mistake(field="password", message=message))
    if mistakes or email is None:
        return render_page(request, "register.html", status=422, form=form, mistakes=mistakes)
    salt = secrets.token_bytes(16)
    hashed = await hash_password(password, salt)
    accounts[email.casefold()] = Account(email=email, name=name, salt=salt, hashed=hashed)
    session = renew_session(request)
    session.email = email.casefold()
    session.notice = f"Welcome to the lane, {name}."
    return see_other("/account")


async def logout(request: web.Request) -> web.Response:
    """`POST /account/logout`."""
    await read_form(request)
    session = keep_session(request)
    session.email = ""
    session.orders = []
    session.notice = "You are signed out. See you soon."
    return see_other("/")
