# SPDX-License-Identifier: Apache-2.0
"""The web application of a quiz: plain HTML forms without any script, by Starlette."""
