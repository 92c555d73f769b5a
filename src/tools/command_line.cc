// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line.h"

#include "base/text.h"
#include "tools/choice.h"
#include "tools/rootlesskit_flags.h"
#include "tools/validate.h"
#include "tools/validate_network.h"

#include <array>
#include <optional>
#include <span>
#include <utility>

namespace rk::tools {

namespace {

constexpr std::string_view kDescription =
    R"(Runs a command as "fake root": root in a user namespace of its own (user_namespaces(7)),
an ordinary user everywhere else. Everything from the first argument that is not an option,
or from "--" on, is the command.

Examples:
  # a shell in which you are root
  rootlesskit bash

  # with a writable /etc
  rootlesskit --copy-up=/etc bash

  # with processes of its own, and mounts of the host still coming in
  rootlesskit --pidns --propagation=rslave bash

  # delete files that belong to subordinate IDs
  rootlesskit rm -rf DIRECTORY

More than one ID inside needs ranges for the user in /etc/subuid and /etc/subgid.)";

constexpr auto kSemverComponents = std::to_array<Choice<std::size_t>>({
    {"major", 0},
    {"minor", 1},
    {"patch", 2},
});

Exit fatal_exit(std::string message) {
    return {1, {}, std::move(message)};
}

std::string help_text(std::string_view version) {
    const std::string lxc_user_nic = find_lxc_user_nic();
    const std::array<FoundDefault, 1> found = {{{"lxc-user-nic-binary", lxc_user_nic}}};
    return render_help(rootlesskit_text(version), rootlesskit_flags(), found);
}

Exit usage_exit(std::string message, std::string_view version) {
    return {1, fmt::format("Incorrect Usage: {}\n\n{}", message, help_text(version)),
            std::move(message)};
}

// --help, --version and --print-semver: flags that are an answer in themselves.
std::optional<Exit> answer(const FlagSet& flags, std::string_view version) {
    if (flags.boolean("help")) {
        return Exit{0, help_text(version), {}};
    }
    if (flags.boolean("version")) {
        return Exit{0, fmt::format("rootlesskit version {}\n", version), {}};
    }
    const std::string& component = flags.text("print-semver");
    if (component.empty()) {
        return std::nullopt;
    }
    Result<std::uint64_t> number = semver_component(version, component);
    if (!number) {
        return fatal_exit(std::move(number).error().message);
    }
    return Exit{0, fmt::format("{}\n", *number), {}};
}

}  // namespace

ProgramText rootlesskit_text(std::string_view version) {
    return {.name = "rootlesskit",
            .summary = "run a command as fake root, by means of user namespaces",
            .usage = "rootlesskit [global options] [arguments...]",
            .version = version,
            .description = kDescription};
}

Result<std::uint64_t> semver_component(std::string_view version, std::string_view component) {
    const auto index = choose(kSemverComponents, component);
    if (!index) {
        return fail("expected --print-semver=(major|minor|patch), got {}", quote(component));
    }
    const auto numbers = split(version.substr(0, version.find_first_of("+-")), '.');
    const auto number =
        *index < numbers.size() ? parse_decimal(numbers[*index]) : std::optional<std::uint64_t>();
    if (!number) {
        return fail("version {} has no {} number", quote(version), component);
    }
    return *number;
}

CommandLineResult parse_command_line(const std::vector<std::string>& argv,
                                     std::string_view version) {
    const std::span<const std::string> arguments(argv);
    Result<FlagSet> flags =
        FlagSet::parse(rootlesskit_flags(), arguments.subspan(argv.empty() ? 0 : 1));
    if (!flags) {
        return usage_exit(std::move(flags).error().message, version);
    }
    if (std::optional<Exit> exit = answer(*flags, version)) {
        return *std::move(exit);
    }
    Result<Validated> validated = validate(*flags);
    if (!validated) {
        return fatal_exit(std::move(validated).error().message);
    }
    return Run{std::move(validated->options), std::move(validated->warnings)};
}

}  // namespace rk::tools
