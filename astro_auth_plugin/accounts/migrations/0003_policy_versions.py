"""The versions of the policy, where it is kept in the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "astro_auth_policy_version",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("policy_format", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String(512), nullable=False),
        sa.Column("author_kind", sa.String(16), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(2000), nullable=False),
        sa.Column("reverts", sa.Integer),
        sa.Column("changes", sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("document", sa.LargeBinary(2**24 - 1)),
        sa.Column("imported_text", sa.LargeBinary(2**24 - 1)),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("astro_auth_policy_version")
