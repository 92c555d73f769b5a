// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// What can be completed is read off the tables of flags: names, whether a value follows, and the
// values themselves where the help names them as "[a, b, c]". Each shell gets the simplest script
// that does this; after the flags of rootlesskit the command's own completion takes over.
#include "tools/completions.h"

#include "base/text.h"
#include "tools/docker_proxy.h"
#include "tools/rootlessctl.h"
#include "tools/rootlesskit_flags.h"

#include <algorithm>
#include <span>
#include <vector>

namespace rk::tools {

namespace {

using Flags = std::span<const FlagDefinition>;

struct Program {
    std::string_view name;
    Flags flags;
    std::span<const ControlCommand> commands;
    bool runs_command = false;  // what follows the flags is a command line
    std::string_view dashes = "--";
};

Program program_of(std::string_view name) {
    if (name == "rootlessctl") {
        return {name, control_flags(), control_commands()};
    }
    if (name == "rootlesskit-docker-proxy") {
        return {name, docker_proxy_flags(), {}, false, "-"};
    }
    return {name, rootlesskit_flags(), {}, true};
}

std::string dashed(const Program& program, const FlagDefinition& flag) {
    return fmt::format("{}{}", program.dashes, flag.name);
}

// "none [a, b(experimental), c; x]" -> a b c
std::vector<std::string> values_of(const FlagDefinition& flag) {
    const std::size_t begin = flag.help.find('[');
    const std::size_t end = flag.help.find(']', begin);
    if (flag.type == FlagType::kBool || begin == std::string_view::npos ||
        end == std::string_view::npos) {
        return {};
    }
    std::vector<std::string> values;
    std::string list(flag.help.substr(begin + 1, end - begin - 1));
    std::replace(list.begin(), list.end(), ';', ',');
    for (std::string_view part : split(list, ',')) {
        part = trim(part);
        part = part.starts_with("also ") ? part.substr(5) : part;
        values.emplace_back(trim(part.substr(0, part.find_first_of("( "))));
    }
    return values;
}

bool wants_directory(const FlagDefinition& flag) {
    return flag.name == "state-dir" || flag.name == "copy-up";
}
bool wants_file(const FlagDefinition& flag) {
    return flag.name.ends_with("-binary") || flag.name == "socket";
}

std::string one_line(std::string_view text, std::string_view unwanted) {
    std::string kept;
    for (const char c : text) {
        if (unwanted.find(c) == std::string_view::npos) {
            kept += c;
        }
    }
    return kept;
}

std::string flag_words(const Program& program, Flags flags) {
    std::vector<std::string> words;
    for (const FlagDefinition& flag : flags) {
        words.push_back(dashed(program, flag));
    }
    return join(words, " ");
}

std::string command_words(const Program& program) {
    std::vector<std::string> words;
    for (const ControlCommand& command : program.commands) {
        words.emplace_back(command.name);
    }
    words.emplace_back("help");
    return join(words, " ");
}

std::string identifier(std::string_view name) {
    std::string text(name);
    std::replace(text.begin(), text.end(), '-', '_');
    return text;
}

constexpr std::string_view kHeader =
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# Made from the flags in src/tools; RK_UPDATE_GOLDEN=1 unit_tests makes it again.\n";

// ---- bash ----

std::string bash_values(const Program& program) {
    std::string text;
    for (const FlagDefinition& flag : program.flags) {
        const auto values = values_of(flag);
        std::string action;
        if (!values.empty()) {
            action = fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", join(values, " "));
        } else if (wants_directory(flag)) {
            action = "COMPREPLY=($(compgen -d -- \"$cur\"))";
        } else if (wants_file(flag)) {
            action = "COMPREPLY=($(compgen -f -- \"$cur\"))";
        } else if (flag.type != FlagType::kBool) {
            action = "COMPREPLY=()";
        } else {
            continue;
        }
        text += fmt::format("        {}) {}; return ;;\n", dashed(program, flag), action);
    }
    return text;
}

// Where the first word stands that is neither a flag nor the value of one.
std::string bash_find_command(const Program& program) {
    std::vector<std::string> with_value;
    for (const FlagDefinition& flag : program.flags) {
        if (flag.type != FlagType::kBool) {
            with_value.push_back(dashed(program, flag));
        }
    }
    return fmt::format(
        "    local i\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case ${{COMP_WORDS[i]}} in\n"
        "        {})\n"
        "            i=$((i + 1))\n"
        "            [ \"${{COMP_WORDS[i]}}\" != = ] || i=$((i + 1)) ;;\n"
        "        -* | =) ;;\n"
        "        *) break ;;\n"
        "        esac\n"
        "    done\n",
        join(with_value, " | "));
}

std::string bash_commands(const Program& program) {
    std::string text = "    if ((i < COMP_CWORD)); then\n        case ${COMP_WORDS[i]} in\n";
    for (const ControlCommand& command : program.commands) {
        text += fmt::format("        {}) COMPREPLY=($(compgen -W '{}' -- \"$cur\")) ;;\n",
                            command.name, flag_words(program, command.flags));
    }
    return text + fmt::format(
                      "        esac\n        return\n    fi\n"
                      "    COMPREPLY=($(compgen -W '{} {}' -- \"$cur\"))\n",
                      command_words(program), flag_words(program, program.flags));
}

std::string bash(const Program& program) {
    std::string text(kHeader);
    text += "# shellcheck shell=bash disable=SC2207\n";
    text += fmt::format(
        "_{}() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} "
        "prev=${{COMP_WORDS[COMP_CWORD - 1]}}\n    COMPREPLY=()\n",
        identifier(program.name));
    if (!program.commands.empty() || program.runs_command) {
        text += bash_find_command(program);
    }
    if (program.runs_command) {
        text +=
            "    if ((i < COMP_CWORD)); then\n"
            "        declare -F _command_offset >/dev/null && _command_offset \"$i\"\n"
            "        return\n    fi\n";
    }
    // "--net=x" comes as three words: COMP_WORDBREAKS has '='.
    text +=
        "    if [ \"$cur\" = = ]; then\n        cur=\n    elif [ \"$prev\" = = ]; then\n"
        "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n    fi\n";
    text += fmt::format("    case $prev in\n{}    esac\n", bash_values(program));
    if (program.commands.empty()) {
        text += fmt::format("    COMPREPLY=($(compgen -W '{}'{} -- \"$cur\"))\n",
                            flag_words(program, program.flags),
                            program.runs_command ? " -A command" : "");
    } else {
        text += bash_commands(program);
    }
    return text + fmt::format("}}\ncomplete -F _{} {}\n", identifier(program.name), program.name);
}

// ---- zsh ----

std::string zsh_action(const FlagDefinition& flag) {
    const auto values = values_of(flag);
    if (!values.empty()) {
        return fmt::format(":value:({})", join(values, " "));
    }
    return wants_directory(flag)          ? ":directory:_files -/"
           : wants_file(flag)             ? ":file:_files"
           : flag.type != FlagType::kBool ? ":value: "
                                          : "";
}

std::string zsh_flags(const Program& program, Flags flags, std::string_view indent) {
    std::string text;
    for (const FlagDefinition& flag : flags) {
        const std::string action = zsh_action(flag);
        text += fmt::format("{}'{}{}{}[{}]{}' \\\n", indent,
                            flag.type == FlagType::kList ? "*" : "", dashed(program, flag),
                            action.empty() ? "" : "=", one_line(flag.help, "[]'\":"), action);
    }
    return text;
}

std::string zsh_commands(const Program& program) {
    std::string text = "    case $words[1] in\n";
    for (const ControlCommand& command : program.commands) {
        text += fmt::format("    {})\n        _arguments \\\n{}            '*:: :' ;;\n",
                            command.name, zsh_flags(program, command.flags, "            "));
    }
    return text + "    esac\n";
}

std::string zsh(const Program& program) {
    std::string text = fmt::format("#compdef {}\n{}", program.name, kHeader);
    text += "local curcontext=$curcontext context state state_descr line\ntypeset -A opt_args\n";
    text += fmt::format("_arguments -C -S \\\n{}", zsh_flags(program, program.flags, "    "));
    if (program.runs_command) {
        return text + "    '(-)1:command: _command_names -e' \\\n    '*::arguments: _normal'\n";
    }
    if (program.commands.empty()) {
        return text + "    && return\n";
    }
    return text + fmt::format(
                      "    '(-)1:command:({})' \\\n    '(-)*::arguments:->arguments'\n"
                      "if [ \"$state\" = arguments ]; then\n{}fi\n",
                      command_words(program), zsh_commands(program));
}

// ---- fish ----

std::string fish_flag(const Program& program, const FlagDefinition& flag,
                      std::string_view condition) {
    const auto values = values_of(flag);
    std::string text = fmt::format("complete -c {} -n '{}' {} {}", program.name, condition,
                                   program.dashes == "-" ? "-o" : "-l", flag.name);
    text += flag.alias.empty() ? "" : fmt::format(" -s {}", flag.alias);
    if (!values.empty()) {
        text += fmt::format(" -x -a '{}'", join(values, " "));
    } else if (wants_directory(flag)) {
        text += " -x -a '(__fish_complete_directories)'";
    } else if (flag.type != FlagType::kBool) {
        text += wants_file(flag) ? " -r -F" : " -x";
    }
    return text + fmt::format(" -d '{}'\n", one_line(flag.help, "'\\"));
}

std::string fish(const Program& program) {
    std::string text(kHeader);
    std::string_view condition = "true";
    if (program.runs_command) {
        text += fmt::format("complete -c {} -f -a '(__fish_complete_subcommand)'\n", program.name);
    } else {
        text += fmt::format("complete -c {} -f\n", program.name);
    }
    if (!program.commands.empty()) {
        condition = "__fish_use_subcommand";
    }
    for (const FlagDefinition& flag : program.flags) {
        text += fish_flag(program, flag, condition);
    }
    for (const ControlCommand& command : program.commands) {
        text += fmt::format("complete -c {} -n __fish_use_subcommand -a {} -d '{}'\n", program.name,
                            command.name, one_line(command.summary, "'\\"));
        for (const FlagDefinition& flag : command.flags) {
            text += fish_flag(program, flag,
                              fmt::format("__fish_seen_subcommand_from {}", command.name));
        }
    }
    return text;
}

}  // namespace

std::string render_completion(Shell shell, std::string_view program) {
    switch (shell) {
        case Shell::kBash:
            return bash(program_of(program));
        case Shell::kZsh:
            return zsh(program_of(program));
        case Shell::kFish:
            return fish(program_of(program));
    }
    return {};
}

}  // namespace rk::tools
