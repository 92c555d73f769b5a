// SPDX-License-Identifier: Apache-2.0
#include "tools/rootlessctl.h"

#include <array>

namespace rk::tools {

namespace {

using enum FlagType;

constexpr FlagDefinition kHelp = {"help", "h", kBool, "false", "", "print this text and exit",
                                  false};

constexpr auto kGlobalFlags = std::to_array<FlagDefinition>({
    {"debug", "", kBool, "false", "", "accepted for compatibility"},
    {"socket", "", kString, "", "",
     "path of api.sock in the state directory ($ROOTLESSKIT_STATE_DIR/api.sock where not given)"},
    kHelp,
    {"version", "v", kBool, "false", "", "print the version and exit", false},
});

constexpr auto kJsonFlags = std::to_array<FlagDefinition>({
    {"json", "", kBool, "false", "", "print JSON"},
    kHelp,
});
constexpr auto kNoFlags = std::to_array<FlagDefinition>({kHelp});
constexpr auto kStatsFlags = std::to_array<FlagDefinition>({
    {"json", "", kBool, "false", "", "print JSON"},
    {"watch", "w", kBool, "false", "", "print again and again, with rates, until interrupted"},
    {"interval", "", kString, "1", "", "seconds between two tables of --watch, from 0.1"},
    kHelp,
});

constexpr auto kCommands = std::to_array<ControlCommand>({
    {"list-ports", "list published ports", "", kJsonFlags},
    {"add-ports", "publish ports, e.g. \"127.0.0.1:8080:80/tcp\"", "SPEC...", kJsonFlags},
    {"remove-ports", "remove published ports by their IDs", "ID...", kNoFlags},
    {"list-egress", "list the rules for destinations that may be reached from inside", "",
     kJsonFlags},
    {"add-egress", "deny or allow destinations, e.g. \"deny 10.0.0.0/8:1-1023/tcp\"",
     "ACTION RULE...", kJsonFlags},
    {"remove-egress", "remove such rules by their IDs", "ID...", kNoFlags},
    {"info", "show what is running", "", kJsonFlags},
    {"stats", "show what was counted for each port", "", kStatsFlags},
});

}  // namespace

std::span<const ControlCommand> control_commands() {
    return kCommands;
}

std::span<const FlagDefinition> control_flags() {
    return kGlobalFlags;
}

}  // namespace rk::tools
