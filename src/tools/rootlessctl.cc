// SPDX-License-Identifier: Apache-2.0
#include "tools/rootlessctl.h"

#include "api/client.h"
#include "api/egress_codec.h"
#include "base/text.h"
#include "sys/file.h"
#include "tools/rootlessctl_text.h"
#include "tools/rootlessctl_watch.h"

#include <array>
#include <cstdio>
#include <utility>

namespace rk::tools {

namespace {

constexpr int kExitUnknownCommand = 3;

Result<void> print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        std::fflush(stdout) != 0) {
        return fail("cannot write to standard output");
    }
    return {};
}

Result<void> print_line(std::string_view text) {
    return print(fmt::format("{}\n", text));
}

struct Context {
    const FlagSet& global;
    const FlagSet& flags;  // the command's
    const sys::Environment& environment;
};

// After the arguments were looked at, so that a mistake in them is named first.
Result<api::Client> open_client(const Context& context) {
    std::string path = context.global.text("socket");
    if (path.empty()) {
        const auto state_dir = context.environment.get("ROOTLESSKIT_STATE_DIR");
        if (!state_dir || state_dir->empty()) {
            return fail("please specify --socket or set $ROOTLESSKIT_STATE_DIR");
        }
        path = sys::clean_path(fmt::format("{}/api.sock", *state_dir));
    }
    return api::Client::open(std::move(path));
}

Result<void> list_ports(const Context& context) {
    api::Client client = TRY(open_client(context));
    const std::string body = TRY(client.get("/v1/ports"));
    if (!context.flags.boolean("json")) {
        return print(render_ports(TRY(api::decode_statuses(body))));
    }
    for (const std::string& one : TRY(api::split_array(body))) {
        TRY(print_line(one));
    }
    return {};
}

Result<void> add_ports(const Context& context) {
    if (context.flags.arguments().empty()) {
        return fail("no port specified");
    }
    std::vector<model::PortFields> specs;
    for (const std::string& text : context.flags.arguments()) {
        specs.push_back(TRY(model::parse_port_fields(text)));
    }
    api::Client client = TRY(open_client(context));
    for (const model::PortFields& spec : specs) {
        const std::string body = TRY(client.add_port(spec));
        if (context.flags.boolean("json")) {
            TRY(print_line(body));
            continue;
        }
        const api::PortRecord added = TRY(api::decode_status(body));
        TRY(print_line(fmt::format("{}", added.id)));
        // Whoever left the choice of the port to the system wants to know it.
        if (spec.parent_port == 0) {
            static_cast<void>(std::fputs(
                fmt::format("port {}\n", api::parent_port_text(added.spec)).c_str(), stderr));
        }
    }
    return {};
}

Result<std::int64_t> parse_id(std::string_view text) {
    const bool negative = text.starts_with('-');
    const bool sign = negative || text.starts_with('+');
    const auto number = parse_decimal(text.substr(sign ? 1 : 0), INT64_MAX);
    if (!number) {
        const bool digits =
            text.size() > (sign ? 1U : 0U) &&
            text.find_first_not_of("0123456789", sign ? 1 : 0) == std::string_view::npos;
        return fail("strconv.Atoi: parsing {}: {}", quote(text),
                    digits ? "value out of range" : "invalid syntax");
    }
    const auto value = static_cast<std::int64_t>(*number);
    return negative ? -value : value;
}

// All are looked at before the first is removed.
Result<void> remove_by_id(const Context& context,
                          Result<void> (api::Client::*remove)(std::int64_t)) {
    if (context.flags.arguments().empty()) {
        return fail("no ID specified");
    }
    std::vector<std::int64_t> ids;
    for (const std::string& text : context.flags.arguments()) {
        ids.push_back(TRY(parse_id(text)));
    }
    api::Client client = TRY(open_client(context));
    for (const std::int64_t id : ids) {
        TRY((client.*remove)(id));
        TRY(print_line(fmt::format("{}", id)));
    }
    return {};
}

Result<void> remove_ports(const Context& context) {
    return remove_by_id(context, &api::Client::remove_port);
}

Result<void> list_egress(const Context& context) {
    api::Client client = TRY(open_client(context));
    const std::string body = TRY(client.get("/v1/egress"));
    if (!context.flags.boolean("json")) {
        return print(render_egress(TRY(api::decode_egress_list(body))));
    }
    for (const std::string& one : TRY(api::split_array(body))) {
        TRY(print_line(one));
    }
    return {};
}

Result<void> add_egress(const Context& context) {
    const std::vector<std::string>& words = context.flags.arguments();
    if (words.empty() || (words[0] != "deny" && words[0] != "allow")) {
        return fail(R"(the first argument must be "deny" or "allow")");
    }
    if (words.size() < 2) {
        return fail("no rule specified");
    }
    const auto action =
        words[0] == "deny" ? model::EgressAction::kDeny : model::EgressAction::kAllow;
    for (std::size_t i = 1; i < words.size(); ++i) {
        TRY(model::EgressRule::parse(action, words[i]));
    }
    api::Client client = TRY(open_client(context));
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::string body = TRY(client.add_egress(words[0], words[i]));
        if (context.flags.boolean("json")) {
            TRY(print_line(body));
            continue;
        }
        const api::EgressRecord added = TRY(api::decode_egress(body));
        TRY(print_line(fmt::format("{}", added.id)));
    }
    return {};
}

Result<void> remove_egress(const Context& context) {
    return remove_by_id(context, &api::Client::remove_egress);
}

Result<void> show_info(const Context& context) {
    api::Client client = TRY(open_client(context));
    const std::string body = TRY(client.get("/v1/info"));
    if (context.flags.boolean("json")) {
        return print_line(TRY(api::indent_json(body)));
    }
    return print(render_info(TRY(api::decode_info(body))));
}

Result<void> show_stats(const Context& context) {
    const auto interval = TRY(parse_interval(context.flags.text("interval")));
    api::Client client = TRY(open_client(context));
    if (context.flags.boolean("watch")) {
        return watch_stats(client, {context.flags.boolean("json"), interval});
    }
    const std::string body = TRY(client.get("/v1/stats"));
    if (context.flags.boolean("json")) {
        return print_line(TRY(api::indent_json(body)));
    }
    return print(render_stats(TRY(api::decode_stats(body))));
}

using Handler = Result<void> (*)(const Context&);

// In the order of control_commands().
constexpr std::array<Handler, 8> kHandlers = {list_ports, add_ports,     remove_ports, list_egress,
                                              add_egress, remove_egress, show_info,    show_stats};

int fatal(std::string_view message) {
    static_cast<void>(std::fputs(fmt::format("error: {}\n", message).c_str(), stderr));
    return 1;
}

int answer(std::string_view text) {
    const auto printed = print(text);
    return printed ? 0 : fatal(printed.error().message);
}

int usage_error(const Error& error, const std::string& help) {
    static_cast<void>(print(fmt::format("Incorrect Usage: {}\n\n{}", error.message, help)));
    return fatal(error.message);
}

int unknown_command(std::string_view name) {
    static_cast<void>(std::fputs(fmt::format("No help topic for '{}'\n", name).c_str(), stderr));
    return kExitUnknownCommand;
}

int show_help(std::span<const std::string> rest, std::string_view version) {
    if (rest.empty()) {
        return answer(render_control_help(version));
    }
    const std::string help = render_command_help(rest.front());
    return help.empty() ? unknown_command(rest.front()) : answer(help);
}

int run_command(std::span<const std::string> words, const FlagSet& global,
                const sys::Environment& environment, std::string_view version) {
    if (words.front() == "help" || words.front() == "h") {
        return show_help(words.subspan(1), version);
    }
    const auto commands = control_commands();
    for (std::size_t i = 0; i < commands.size(); ++i) {
        if (commands[i].name != words.front()) {
            continue;
        }
        const auto flags = FlagSet::parse(commands[i].flags, words.subspan(1));
        if (!flags) {
            return usage_error(flags.error(), render_command_help(commands[i].name));
        }
        if (flags->boolean("help")) {
            return answer(render_command_help(commands[i].name));
        }
        const auto done = kHandlers.at(i)({global, *flags, environment});
        return done ? 0 : fatal(done.error().message);
    }
    return unknown_command(words.front());
}

}  // namespace

int run_rootlessctl(const std::vector<std::string>& argv, const sys::Environment& environment,
                    std::string_view version) {
    const std::span<const std::string> words(argv);
    const auto global = FlagSet::parse(control_flags(), words.subspan(argv.empty() ? 0 : 1));
    if (!global) {
        return usage_error(global.error(), render_control_help(version));
    }
    if (global->boolean("help") || (global->arguments().empty() && !global->boolean("version"))) {
        return answer(render_control_help(version));
    }
    if (global->boolean("version")) {
        return answer(fmt::format("rootlessctl version {}\n", version));
    }
    return run_command(global->arguments(), *global, environment, version);
}

}  // namespace rk::tools
