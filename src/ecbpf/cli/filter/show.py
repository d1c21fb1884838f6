"""The verbs that show: status, list, check."""

from ecbpf.cli.filter.output import (
    check_json,
    check_text,
    entries_json,
    print_json_by_interface,
    status_json,
    status_text,
)
from ecbpf.cli.output import set_output
from ecbpf.filter.files import lines_of
from ecbpf.filter.lists import Kind
from ecbpf.filter.running import find_filter
from ecbpf.filter.status import check, entries, filter_status

__all__ = ["show_checks", "show_list", "show_status"]


def show_status(interfaces: list[str], *, as_json: bool) -> None:
    """Print settings, listed prefixes and counts."""
    states = [filter_status(interface) for interface in interfaces]
    if as_json:
        print_json_by_interface({state.interface: status_json(state) for state in states})
    else:
        print("\n\n".join(map(status_text, states)))


def show_list(interfaces: list[str], kind: Kind, *, as_json: bool) -> None:
    """Print the drop or the allow set."""
    every = {interface: find_filter(interface).sets.read() for interface in interfaces}
    if as_json:
        print_json_by_interface({name: entries_json(entries(lists, kind)) for name, lists in every.items()})
        return
    set_output("utf-8")  # as `load` takes it
    for interface, lists in every.items():
        if len(every) > 1:
            print(f"# {interface}")
        for line in lines_of(lists, kind):
            print(line)


def show_checks(interfaces: list[str], addresses: list[str], *, as_json: bool) -> None:
    """Say of each address whether it is dropped, and by which entry."""
    every = {interface: find_filter(interface).sets.read() for interface in interfaces}
    found = {interface: [check(lists, text) for text in addresses] for interface, lists in every.items()}
    if as_json:
        print_json_by_interface({interface: list(map(check_json, checks)) for interface, checks in found.items()})
        return
    for interface, checks in found.items():
        for each in checks:
            print(f"{interface}: {check_text(each)}")
