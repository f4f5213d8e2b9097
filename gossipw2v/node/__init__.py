"""One node's life: it joins words and gossip, keeps what must survive, and stops in order.

`daemon` starts and stops the rest; `node` carries out what the gossip core asks for.
"""
