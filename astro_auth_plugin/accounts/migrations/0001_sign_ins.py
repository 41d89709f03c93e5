"""What the last sign-in of each account brought."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "astro_auth_sign_in",
        sa.Column("account_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("email", sa.String(512), nullable=False),
        sa.Column("idp_groups", sa.Text, nullable=False),
        sa.Column("signed_in_at", sa.BigInteger, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("astro_auth_sign_in")
