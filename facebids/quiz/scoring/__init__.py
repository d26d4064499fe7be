# SPDX-License-Identifier: Apache-2.0
"""What the answers say: how well people, and machines, recognise the renders.

- `accuracy`: shares of right answers and of false matches, their intervals, and chance
- `groups`: these shares by kind of question, group of observers, position and scan
- `mixed`: the mixed logistic model
- `machine`: a recognition engine answers the same questions
- `results`: all of it, from a study and its answers
- `tables`, `plots`, `report`: as tables, plots and a page
- `export`: an anonymous table of the answers
- `simulate`: observers with a known skill
"""
