"""FAB's pages of accounts, made to say so when the account guard refuses a change."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn
from urllib.parse import quote, urlsplit

from airflow.configuration import conf
from flask import abort, flash
from flask_appbuilder import expose, has_access
from markupsafe import Markup

from astro_auth_plugin.accounts import account_guard
from astro_auth_plugin.accounts.account_guard import AccountChangeRefused


def tell_refusals(form_view: type[Any]) -> type[Any]:
    """Return FAB's form page as one that says why a change was refused, instead of showing an error page."""

    class ReportedFormView(form_view):  # type: ignore[misc]
        def form_post(self, form: Any) -> Any:
            try:
                return super().form_post(form)
            except AccountChangeRefused as refusal:
                self.appbuilder.session.rollback()
                flash(str(refusal), "danger")
                return None

    return _named_like(form_view, ReportedFormView)


class _AsksGuard:
    """What a list of accounts does before it writes."""

    actions: Any
    appbuilder: Any

    def pre_add(self, item: Any) -> None:
        super().pre_add(item)  # type: ignore[misc]
        session = self.appbuilder.session
        try:
            account_guard.ask_before_insert(item, session.connection())
        except AccountChangeRefused:
            session.rollback()
            raise

    def pre_update(self, item: Any) -> None:
        super().pre_update(item)  # type: ignore[misc]
        session = self.appbuilder.session
        try:
            session.flush()
        except AccountChangeRefused:
            session.rollback()
            raise

    def pre_delete(self, item: Any) -> None:
        super().pre_delete(item)  # type: ignore[misc]
        account_guard.ask_before_delete(item, self.appbuilder.session.connection())

    def _get_show_widget(self, *args: Any, **kwargs: Any) -> Any:
        # FAB's page of one account takes actions out of what it is given, and that would be the class's own:
        # after one look at an account no other page of one's own account would work any more.
        actions = kwargs.pop("actions", None) or self.actions
        return super()._get_show_widget(*args, actions=dict(actions), **kwargs)  # type: ignore[misc]

    def _edit(self, pk: Any) -> Any:
        widgets = super()._edit(pk)  # type: ignore[misc]
        session = self.appbuilder.session
        if not session.is_active:
            # The form's fields were flushed while they were filled in, before `pre_update`.
            session.rollback()
        return widgets


def refuse_early(list_view: type[Any]) -> type[Any]:
    """Return FAB's list of accounts as one that checks the guard before it writes.

    FAB shows what its `pre_` hooks raise. What is raised while it writes it hides in "Database Error", and it leaves
    the session in the failed transaction, in which the rest of the answer is lost.
    """

    class AskingListView(_AsksGuard, list_view):  # type: ignore[misc]
        # FAB requires one of its roles here. They grant nothing, and a form that requires one says they do.
        add_columns = _without_fab_roles(list_view.add_columns)
        edit_columns = _without_fab_roles(list_view.edit_columns)
        list_columns = _without_fab_roles(list_view.list_columns)
        search_columns = _without_fab_roles(list_view.search_columns)
        show_fieldsets = _fieldsets_without_fab_roles(list_view.show_fieldsets)
        user_show_fieldsets = _fieldsets_without_fab_roles(list_view.user_show_fieldsets)
        formatters_columns: ClassVar[dict[str, Any]] = {"email": _with_link_to_access}
        validators_columns: ClassVar[dict[str, Any]] = {}

        @expose("/download/<string:filename>")  # type: ignore[untyped-decorator]
        @has_access  # type: ignore[untyped-decorator]
        def download(self, filename: str) -> NoReturn:  # noqa: ARG002 - of the path
            """Accounts have no files, for which FAB looks in a folder that is not configured."""
            abort(404)

    return _named_like(list_view, AskingListView)


def _without_fab_roles(columns: list[str]) -> list[str]:
    return [name for name in columns if name not in ("roles", "groups")]


def _fieldsets_without_fab_roles(fieldsets: list[tuple[Any, dict[str, Any]]]) -> list[tuple[Any, dict[str, Any]]]:
    return [(title, {**each, "fields": _without_fab_roles(each["fields"])}) for title, each in fieldsets]


# Airflow shows these pages in a frame that may not load another page around it, but may tell its router to.
_OPEN = (
    "if(top!==self){top.history.pushState({},'',this.href);top.dispatchEvent(new PopStateEvent('popstate'));"
    "return false}"
)


def _with_link_to_access(email: str | None) -> str | Markup:
    """Return an e-mail with a link to the page of what that user may do."""
    if not email:
        return ""
    base = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    address = f"{base}/plugin/access/users/{quote(email, safe='')}"
    return Markup('{} (<a href="{}" onclick="{}">access</a>)').format(email, address, _OPEN)


def _named_like(original: type[Any], view: type[Any]) -> type[Any]:
    # FAB makes the endpoint's name, which other pages link to, from the name of the class.
    view.__name__ = original.__name__
    return view
