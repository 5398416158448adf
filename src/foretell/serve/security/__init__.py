"""Who may ask, for what, and how much of it; nothing here knows HTTP or gRPC.

keys.py       a key: what its holder may do, and the digest that stands for its secret
key_file.py   the file of keys: written whole or not at all
key_ring.py   the keys in force: follows the file while the server runs
limits.py     token buckets that several replicas share
exchange.py   how replicas tell one another what was spent
ray_exchange.py   … through a Ray actor
guard.py      the one who stands at the door: authorization in, identity or refusal out
startup.py    what is checked before anything listens: address, files of the node, Ray's own token
tls.py        the lane's certificate and key: read, and looked at as clients will
"""
