"""The differences that shadow mode has found, and how many answers it has compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "astro_auth_shadow",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("who", sa.String(512), nullable=False),
        sa.Column("question", sa.String(512), nullable=False),
        sa.Column("object", sa.String(512), nullable=False),
        sa.Column("allowed", sa.Boolean, nullable=False),
        sa.Column("answers", sa.BigInteger, nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("astro_auth_shadow")
