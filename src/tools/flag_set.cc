// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Scripts in the field were written against Go's `flag` package with urfave/cli on top, so its
// rules are ours: `-name` is `--name`, a bool never takes the next argument, the first argument
// that is not a flag ends the flags, list values split at commas. Errors carry Go's words because
// people search for them. Flags are few (below 50): a linear search through the table costs less
// than any index.
#include "tools/flag_set.h"

#include "base/text.h"

#include <cstdlib>
#include <utility>

namespace rk::tools {

namespace {

struct Token {
    std::string_view name;
    std::string_view value;
    bool has_value = false;
};

// Splits "--name=value". The caller knows that the argument starts with '-' and is not "-" or "--".
Result<Token> split_token(std::string_view argument) {
    const std::string_view body = argument.substr(argument.starts_with("--") ? 2 : 1);
    if (body.empty() || body[0] == '-' || body[0] == '=') {
        return fail("bad flag syntax: {}", argument);
    }
    const std::size_t equals = body.find('=');
    if (equals == std::string_view::npos) {
        return Token{body, {}, false};
    }
    return Token{body.substr(0, equals), body.substr(equals + 1), true};
}

constexpr std::size_t kNotFound = SIZE_MAX;

std::size_t find_flag(std::span<const FlagDefinition> definitions, std::string_view name) {
    for (std::size_t i = 0; i < definitions.size(); ++i) {
        if (definitions[i].name == name || definitions[i].alias == name) {
            return i;
        }
    }
    return kNotFound;
}

}  // namespace

FlagSet::FlagSet(std::span<const FlagDefinition> definitions)
    : definitions_(definitions), values_(definitions.size()) {
    for (std::size_t i = 0; i < definitions.size(); ++i) {
        Value& value = values_[i];
        switch (definitions[i].type) {
            case FlagType::kBool:
                value.boolean = definitions[i].initial == "true";
                break;
            case FlagType::kString:
                value.text = definitions[i].initial;
                break;
            case FlagType::kInt:
                value.integer = parse_go_int(definitions[i].initial).value_or(0);
                break;
            case FlagType::kList:
                break;
        }
    }
}

Result<FlagSet> FlagSet::parse(std::span<const FlagDefinition> definitions,
                               std::span<const std::string> arguments) {
    FlagSet set(definitions);
    while (!arguments.empty()) {
        const std::string_view first = arguments.front();
        if (first.size() < 2 || first[0] != '-') {
            break;
        }
        if (first == "--") {
            arguments = arguments.subspan(1);
            break;
        }
        arguments = arguments.subspan(TRY(set.take_flag(arguments)));
    }
    TRY(set.check_two_forms());
    set.arguments_.assign(arguments.begin(), arguments.end());
    return set;
}

// Parses the flag in front; yields how many arguments it took.
Result<std::size_t> FlagSet::take_flag(std::span<const std::string> arguments) {
    Token token = TRY(split_token(arguments.front()));
    const std::size_t index = find_flag(definitions_, token.name);
    if (index == kNotFound) {
        return fail("flag provided but not defined: -{}", token.name);
    }
    std::size_t taken = 1;
    if (!token.has_value && definitions_[index].type == FlagType::kBool) {
        token.value = "true";
    } else if (!token.has_value) {
        if (arguments.size() < 2) {
            return fail("flag needs an argument: -{}", token.name);
        }
        token.value = arguments[1];
        taken = 2;
    }
    TRY(store(index, token.name, token.value));
    return taken;
}

Result<void> FlagSet::store(std::size_t index, std::string_view name, std::string_view text) {
    Value& value = values_[index];
    (name == definitions_[index].name ? value.given_by_name : value.given_by_alias) = true;
    switch (definitions_[index].type) {
        case FlagType::kBool: {
            const Result<bool> parsed = parse_go_bool(text);
            if (!parsed) {
                return fail("invalid boolean value {} for -{}: {}", quote(text), name,
                            parsed.error().message);
            }
            value.boolean = *parsed;
            break;
        }
        case FlagType::kInt: {
            const Result<std::int64_t> parsed = parse_go_int(text);
            if (!parsed) {
                return fail("invalid value {} for flag -{}: {}", quote(text), name,
                            parsed.error().message);
            }
            value.integer = *parsed;
            break;
        }
        case FlagType::kString:
            value.text = text;
            break;
        case FlagType::kList:
            for (const std::string_view element : split(text, ',')) {
                value.list.emplace_back(trim(element));
            }
            break;
    }
    return {};
}

Result<void> FlagSet::check_two_forms() const {
    for (std::size_t i = 0; i < definitions_.size(); ++i) {
        if (values_[i].given_by_name && values_[i].given_by_alias) {
            return fail("Cannot use two forms of the same flag: {} {}", definitions_[i].alias,
                        definitions_[i].name);
        }
    }
    return {};
}

const FlagSet::Value& FlagSet::value(std::string_view name, FlagType type) const {
    const std::size_t index = find_flag(definitions_, name);
    if (index == kNotFound || definitions_[index].type != type) {
        std::abort();  // a typing error in our own source
    }
    return values_[index];
}

bool FlagSet::boolean(std::string_view name) const {
    return value(name, FlagType::kBool).boolean;
}

std::int64_t FlagSet::integer(std::string_view name) const {
    return value(name, FlagType::kInt).integer;
}

const std::string& FlagSet::text(std::string_view name) const {
    return value(name, FlagType::kString).text;
}

const std::vector<std::string>& FlagSet::list(std::string_view name) const {
    return value(name, FlagType::kList).list;
}

bool FlagSet::given(std::string_view name) const {
    const std::size_t index = find_flag(definitions_, name);
    if (index == kNotFound) {
        std::abort();
    }
    return values_[index].given_by_name || values_[index].given_by_alias;
}

}  // namespace rk::tools
