"""Who is next, and with whom: pure logic. No asyncio, no sockets, no clock of its own.

work.py        what waits: a work for each caller, a job for each computation
queue.py       in which order
deadlines.py   how much lies before a deadline
cost.py        rows → seconds, learned
patience.py    how soon callers want to be answered
arrivals.py    how quickly work comes in, and how quickly it goes
admission.py   who is taken, who is refused and who is shed
coalesce.py    who shares an answer
scheduler.py   all of it together
"""
