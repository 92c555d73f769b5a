// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "doctor/facts.h"
#include "doctor/failure.h"

#include <string>
#include <string_view>

namespace rk::doctor {

/// The one cause of a failure and the one thing to do about it.
struct Diagnosis {
    std::string cause;
    std::string remedy;  // one line: a command to paste, or what to change
    std::string block;   // more lines of the remedy, indented, each with a newline; may be ""
    std::string_view rule = {};  // name of the rule that found it, for --debug and tests
};

/// The rule of a diagnosis that found no cause.
inline constexpr std::string_view kUnknownRule = "unknown";

/// Finds the cause by the first rule that applies (the table is in diagnosis.cc). Pure. Always
/// answers: where no rule applies it says so, and what was looked at.
[[nodiscard]] Diagnosis diagnose(const Failure& failure, const Facts& facts);

/// The text that follows the error line on stderr: "[rootlesskit:parent] cause: ...",
/// "[rootlesskit:parent] remedy: ...", then the block.
[[nodiscard]] std::string render(const Diagnosis& diagnosis);

/// Prints the same through a logger, whose ID stands in the lines.
void print(const Logger& log, const Diagnosis& diagnosis);

}  // namespace rk::doctor
