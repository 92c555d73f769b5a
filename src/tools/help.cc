// SPDX-License-Identifier: Apache-2.0
#include "tools/help.h"

#include "base/text.h"

#include <algorithm>
#include <map>

namespace rk::tools {

namespace {

struct Row {
    std::string flag;
    std::string help;
};

// "--publish value, -p value [ --publish value, -p value ]"
std::string flag_column(const FlagDefinition& flag) {
    const std::string_view value = flag.type == FlagType::kBool ? "" : " value";
    std::string names = fmt::format("--{}{}", flag.name, value);
    if (!flag.alias.empty()) {
        names += fmt::format(", -{}{}", flag.alias, value);
    }
    return flag.type == FlagType::kList ? fmt::format("{} [ {} ]", names, names) : names;
}

std::string default_note(const FlagDefinition& flag, std::span<const FoundDefault> found) {
    std::string_view value = flag.initial;
    for (const FoundDefault& one : found) {
        if (one.flag == flag.name) {
            value = one.value;
        }
    }
    if (!flag.show_default || value.empty()) {
        return {};
    }
    return fmt::format(" (default: {})",
                       flag.type == FlagType::kString ? quote(value) : std::string(value));
}

std::string indented(std::string_view text) {
    std::string lines;
    for (const std::string_view line : split(text, '\n')) {
        lines += line.empty() ? "\n" : fmt::format("   {}\n", line);
    }
    return lines;
}

std::string render_options(std::span<const FlagDefinition> flags,
                           std::span<const FoundDefault> found) {
    std::map<std::string_view, std::vector<Row>> categories;
    std::size_t width = 0;
    for (const FlagDefinition& flag : flags) {
        Row row{flag_column(flag), fmt::format("{}{}", flag.help, default_note(flag, found))};
        width = std::max(width, row.flag.size());
        categories[flag.category].push_back(std::move(row));
    }
    std::string text;
    for (const auto& [category, rows] : categories) {
        text += fmt::format("{}  {}:\n", text.empty() ? "" : "\n", category);
        for (const Row& row : rows) {
            text += fmt::format("    {:<{}}  {}\n", row.flag, width, row.help);
        }
    }
    return text;
}

}  // namespace

std::string render_help(const ProgramText& program, std::span<const FlagDefinition> flags,
                        std::span<const FoundDefault> found) {
    return fmt::format(
        "NAME:\n   {} - {}\n\nUSAGE:\n   {}\n\nVERSION:\n   {}\n\nDESCRIPTION:\n{}\nOPTIONS:\n{}",
        program.name, program.summary, program.usage, program.version,
        indented(program.description), render_options(flags, found));
}

}  // namespace rk::tools
