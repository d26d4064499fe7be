# SPDX-License-Identifier: Apache-2.0
"""Run migrations on the connection of `facebids.quiz.database`. Alembic loads this file."""

from alembic import context

from facebids.quiz.database import Base

context.configure(
    connection=context.config.attributes['connection'], target_metadata=Base.metadata
)
context.run_migrations()
