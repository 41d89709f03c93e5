"""The digest of each account's e-mail, by which an index finds accounts with the same e-mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INDEX = "ix_astro_auth_sign_in_email_digest"


def upgrade() -> None:
    """Add the column; the server writes what is missing when it starts."""
    op.add_column("astro_auth_sign_in", sa.Column("email_digest", sa.String(64)))
    op.create_index(_INDEX, "astro_auth_sign_in", ["email_digest"])


def downgrade() -> None:
    """Drop the column."""
    op.drop_index(_INDEX, "astro_auth_sign_in")
    op.drop_column("astro_auth_sign_in", "email_digest")
