"""Settings that are read again while the node runs; the rest waits for a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace

from gossipw2v.config.loader import ConfigError
from gossipw2v.config.node import Config
from gossipw2v.config.secret import SecretError
from gossipw2v.node.node import Node
from gossipw2v.node.service.admission import access_of, credentials_of
from gossipw2v.status.server import Server
from gossipw2v.system.logs import get_logger

RELOADED = ("secret_file", "other_secret_file", "http_token_file", "http_names", "ban")  # without a restart

log = get_logger("daemon")


async def reload_when_told(node: Node, http: Server, told: asyncio.Event, load: Callable[[], Config]) -> None:
    """Take what `load` reads whenever `told` is set, for as long as the node lives; what is wrong changes nothing."""
    while True:
        await told.wait()
        told.clear()
        try:
            await _reload(node, http, await asyncio.to_thread(load))
        except (ConfigError, SecretError, PermissionError) as error:
            node.condition.problem("reload", f"nothing was reloaded: {error}")
        else:
            node.condition.problem("reload", None)


async def _reload(node: Node, http: Server, config: Config) -> None:
    """Take secrets for new connections, the access to HTTP, and bans."""
    before = node.config
    if (config.secret_file is None) is not (before.secret_file is None):
        raise ConfigError(["secret_file: a swarm gets a secret, or loses it, by a restart of all its nodes"])
    credentials = await asyncio.to_thread(credentials_of, config, node.core.node)
    http.admit(access_of(config))
    node.network.credentials = credentials
    node.network.perform(node.core.own.ban(config.ban, node.network.now()))
    node.config = replace(before, **{name: getattr(config, name) for name in RELOADED})
    log.info("reloaded", settings=RELOADED, waits_for_a_restart=_differing(config, node.config))


def _differing(one: Config, other: Config) -> list[str]:
    """The names of settings, of the node and of the job, that differ."""
    pairs = ((one, other), (one.job, other.job))
    names = (each.name for a, b in pairs for each in fields(a) if getattr(a, each.name) != getattr(b, each.name))
    return [name for name in names if name != "job"] + ["job"] * (one.job.job != other.job.job)
