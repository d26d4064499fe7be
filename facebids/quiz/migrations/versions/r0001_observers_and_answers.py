# SPDX-License-Identifier: Apache-2.0
"""Tables of the study, its observers and their answers."""

import sqlalchemy as sql
from alembic import op

revision = '0001'
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        'study',
        sql.Column('digest', sql.String(64), primary_key=True),
        sql.Column('observers', sql.Integer, nullable=False),
    )
    op.create_table(
        'observers',
        sql.Column('id', sql.String(16), primary_key=True),
        sql.Column('number', sql.Integer, nullable=False, unique=True),
        sql.Column('link_sha256', sql.String(64), nullable=False, unique=True),
        sql.Column('consented', sql.DateTime(timezone=True), nullable=False),
        sql.Column('arm', sql.String(16), nullable=False),
        sql.Column('age_band', sql.String(16)),
        sql.Column('sex', sql.String(200)),
        sql.Column('ethnicity', sql.String(200)),
        sql.Column('profession', sql.String(200)),
    )
    op.create_table(
        'answers',
        sql.Column(
            'observer',
            sql.String(16),
            sql.ForeignKey('observers.id', ondelete='CASCADE'),
            primary_key=True,
        ),
        sql.Column('number', sql.Integer, primary_key=True),
        sql.Column('scan', sql.String(64), nullable=False),
        sql.Column('arm', sql.String(16), nullable=False),
        sql.Column('kind', sql.String(16), nullable=False),
        sql.Column('present', sql.Boolean, nullable=False),
        sql.Column('choices', sql.JSON, nullable=False),
        sql.Column('chosen', sql.String(64)),
        sql.Column('right', sql.String(64), nullable=False),
        sql.Column('seconds', sql.Double, nullable=False),
    )


def downgrade() -> None:
    """Delete the tables."""
    for name in ('answers', 'observers', 'study'):
        op.drop_table(name)
