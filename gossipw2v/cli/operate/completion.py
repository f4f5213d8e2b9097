"""`gossipw2v completion`: scripts for bash, zsh and fish, made of the parser, so that they know what it knows.

They are our own and not a library's: those there are know no fish, and the parser has only flags, choices and paths.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from gossipw2v.config.fields import OneOf
from gossipw2v.config.options import OPTIONS

SHELLS = ("bash", "zsh", "fish")
FILES = {"FILE", "FILE.toml", "PATH", "DIR", "VECTORS|URL|DATA-DIR"}  # metavars of what is a path
DESCRIPTION = (
    "Print a script that completes commands and flags: `source <(gossipw2v completion bash)` in ~/.bashrc or ~/.zshrc "
    "(there with `zsh`, below compinit), `gossipw2v completion fish | source` in ~/.config/fish/config.fish."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be typed behind `gossipw2v completion`."""
    parser.description = DESCRIPTION
    parser.add_argument("shell", choices=SHELLS, help="the shell that is to read it")


def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print the script for what `parser` parses."""
    print({"bash": bash, "zsh": zsh, "fish": fish}[args.shell](parser))
    return 0


def commands(parser: argparse.ArgumentParser) -> dict[str, tuple[argparse.ArgumentParser, str]]:
    """The commands of a parser, by name, each with its own parser and what its help says of it."""
    (chosen,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {each.dest: each.help or "" for each in chosen._choices_actions}
    return {name: (each, helps.get(name, "")) for name, each in chosen.choices.items()}


def bash(parser: argparse.ArgumentParser) -> str:
    """A script for bash; what follows a flag is a path, one of its choices, or nothing that could be known."""
    newline = "\n"
    cases = newline.join(
        f'        {name}) words="{" ".join(_words(each))}"; paths="{" ".join(_path_flags(each))}" ;;'
        for name, (each, _) in commands(parser).items()
    )
    values = newline.join(line for name, (each, _) in commands(parser).items() for line in _bash_values(name, each))
    return f"""_gossipw2v() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" words paths
    COMPREPLY=()
    local IFS=$'\\n'  # files may have blanks in their names
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{newline.join([*commands(parser), *_flags(parser)])}" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    case "${{COMP_WORDS[1]}} $before" in
{values}
    esac
    case " $paths " in
        *" $before "*) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word")); return ;;
    esac
    case "$word" in
        -*) ;;
        *) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
    COMPREPLY+=($(compgen -W "${{words// /$IFS}}" -- "$word"))
}}
complete -F _gossipw2v gossipw2v"""


def _bash_values(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """What follows flags of a command that take one of a few words."""
    for action in parser._actions:
        if words := "\n".join(_choices(action)):
            for flag in action.option_strings:
                yield f"""        "{name} {flag}") COMPREPLY=($(compgen -W "{words}" -- "$word")); return ;;"""


def zsh(parser: argparse.ArgumentParser) -> str:
    """A script for zsh, with what each flag does."""
    described = "\n".join(f"        {_quoted(f'{name}:{said}')}" for name, (_, said) in commands(parser).items())
    cases = "\n".join(
        f"        {name}) _arguments {' '.join(_zsh_specs(each))} ;;" for name, (each, _) in commands(parser).items()
    )
    return f"""#compdef gossipw2v
_gossipw2v() {{
    local -a commands
    commands=(
{described}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{cases}
    esac
}}
compdef _gossipw2v gossipw2v"""


def _zsh_specs(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        said = re.sub(r"([\[\]:])", r"\\\1", _said(action))
        value = "" if action.nargs == 0 else f":{action.dest}:{_zsh_value(action)}"
        for flag in action.option_strings:
            yield _quoted(f"*{flag}[{said}]{value}")
        if not action.option_strings:
            yield _quoted(f"*:{action.dest}:{_zsh_value(action)}")


def _zsh_value(action: argparse.Action) -> str:
    if words := _choices(action):
        return f"({' '.join(words)})"
    return "_files" if _is_path(action) else " "


def fish(parser: argparse.ArgumentParser) -> str:
    """A script for fish, with what each flag does."""
    lines = ["complete -c gossipw2v -f"]
    for name, (each, said) in commands(parser).items():
        lines.append(f"complete -c gossipw2v -n __fish_use_subcommand -a {name} -d {_quoted(said)}")
        lines += [f"complete -c gossipw2v -n '__fish_seen_subcommand_from {name}' {spec}" for spec in _fish_specs(each)]
    return "\n".join(lines)


def _fish_specs(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        value = "" if action.nargs == 0 else "-r -F " if _is_path(action) else "-x "
        choices = f"-a {_quoted(' '.join(words))} " if (words := _choices(action)) else ""
        for flag in action.option_strings:
            kind = "-l" if flag.startswith("--") else "-s"
            yield f"{kind} {flag.lstrip('-')} {value}{choices}-d {_quoted(_said(action))}"
        if not action.option_strings and (choices or _is_path(action)):
            yield choices.strip() or "-F"


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """Flags, and the words that may stand without one."""
    choices = (_choices(action) for action in parser._actions if not action.option_strings)
    return [*_flags(parser), *(word for each in choices for word in each)]


def _choices(action: argparse.Action) -> list[str]:
    """The few words that may be given, which of a setting its check knows; empty where it may be anything."""
    option = OPTIONS.get(action.dest)
    if option is not None and option.flag in action.option_strings and isinstance(option.check, OneOf):
        return list(option.check.words)
    return list(map(str, action.choices or ()))


def _flags(parser: argparse.ArgumentParser) -> list[str]:
    return [flag for action in parser._actions for flag in action.option_strings]


def _path_flags(parser: argparse.ArgumentParser) -> list[str]:
    return [flag for action in parser._actions if _is_path(action) for flag in action.option_strings]


def _is_path(action: argparse.Action) -> bool:
    return bool(FILES & set(re.split(r"[\[,]", str(action.metavar))))


def _said(action: argparse.Action) -> str:
    """The help of a flag in one line."""
    return " ".join(((action.help or "") % vars(action)).split())


def _quoted(text: str) -> str:
    """One word that each of the three shells reads as it is."""
    return "'" + text.replace("'", "'\\''") + "'"
