"""What an operator can set on a running filter: the variables of bpf/filter/settings.h."""

from ecbpf.chain.settings import Number, Settings, SettingTable, Switch

__all__ = ["DEFAULTS", "SECTION", "Settings", "check_settings", "parse_setting", "read_settings", "write_settings"]

SECTION = ".data.settings"

_TABLE = SettingTable(
    "the filter",
    "ecbpf filter attach",
    {
        "frags_drop": Switch(True),
        "ptb_send": Switch(True),
        "ptb_max_pps": Number(20, "number of packets a second", 0, 2**32 - 1, off="off"),
        "frags_pass_local": Switch(True),
        "ip_options_drop": Switch(True),
        "ip_evil_drop": Switch(True),
        "ip_header_abort": Switch(True),
        "ip6_header_drop": Switch(True),
    },
)

DEFAULTS = _TABLE.defaults
parse_setting = _TABLE.parse
check_settings = _TABLE.check
read_settings = _TABLE.read
write_settings = _TABLE.write
