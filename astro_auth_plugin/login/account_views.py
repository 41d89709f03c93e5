"""FAB's pages of accounts, made to say so when the account guard refuses a change."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import flash

from astro_auth_plugin.login import account_guard
from astro_auth_plugin.login.account_guard import AccountChangeRefused


def tell_refusals(form_view: type[Any]) -> type[Any]:
    """Return FAB's form page as one that says why a change was refused, instead of showing an error page."""

    class ToldFormView(form_view):  # type: ignore[misc]
        def form_post(self, form: Any) -> Any:
            try:
                return super().form_post(form)
            except AccountChangeRefused as refusal:
                self.appbuilder.session.rollback()
                flash(str(refusal), "danger")
                return None

    return _named_like(form_view, ToldFormView)


def refuse_early(list_view: type[Any]) -> type[Any]:
    """Return FAB's list of accounts as one that asks the guard before it writes.

    FAB shows what its `pre_` hooks raise. What is raised while it writes it hides in "Database Error", and it leaves
    the session in the failed transaction, in which the rest of the answer is lost.
    """

    class AskingListView(list_view):  # type: ignore[misc]
        # FAB asks for a role of its own here. They grant nothing, and a form that asks for one says they do.
        add_columns = _without_fab_roles(list_view.add_columns)
        edit_columns = _without_fab_roles(list_view.edit_columns)
        list_columns = _without_fab_roles(list_view.list_columns)
        validators_columns: ClassVar[dict[str, Any]] = {}

        def pre_add(self, item: Any) -> None:
            super().pre_add(item)
            account_guard.ask_before_insert(item)

        def pre_update(self, item: Any) -> None:
            super().pre_update(item)
            session = self.appbuilder.session
            try:
                session.flush()
            except AccountChangeRefused:
                session.rollback()
                raise

        def pre_delete(self, item: Any) -> None:
            super().pre_delete(item)
            account_guard.ask_before_delete(item, self.appbuilder.session.connection())

        def _get_show_widget(self, *args: Any, **kwargs: Any) -> Any:
            # FAB's page of one account takes actions out of what it is given, and that would be the class's own:
            # after one look at an account nobody's own page would work any more.
            actions = kwargs.pop("actions", None) or self.actions
            return super()._get_show_widget(*args, actions=dict(actions), **kwargs)

        def _edit(self, pk: Any) -> Any:
            widgets = super()._edit(pk)
            session = self.appbuilder.session
            if not session.is_active:
                # The form's fields were flushed while they were filled in, before `pre_update`.
                session.rollback()
            return widgets

    return _named_like(list_view, AskingListView)


def _without_fab_roles(columns: list[str]) -> list[str]:
    return [name for name in columns if name not in ("roles", "groups")]


def _named_like(original: type[Any], view: type[Any]) -> type[Any]:
    # FAB makes the endpoint's name, which other pages link to, from the name of the class.
    view.__name__ = original.__name__
    return view
