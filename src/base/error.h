// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace rk {

/// What went wrong, as one sentence a user can act on: "what we tried, on what: why".
///
/// `code` is the errno that caused it, or 0 where the cause was not a system call; callers that
/// must react differently compare `code`, never the text.
struct Error {
    std::string message;
    int code = 0;

    /// The same error one floor up: "WHAT: message". Keeps `code`.
    [[nodiscard]] Error with_context(std::string_view what) && {
        return Error{fmt::format("{}: {}", what, message), code};
    }
};

/// The text the Go runtime prints for an errno ("permission denied"): users' scripts and the
/// engines' tests match on these, and they are glibc's untranslated texts with a small first
/// letter.
[[nodiscard]] std::string errno_text(int code);

/// The name Go prints for a signal ("killed", "user defined signal 1", otherwise "signal 34").
[[nodiscard]] std::string signal_text(int signal_number);

/// An error caused by a failed system call: "WHAT: errno text".
[[nodiscard]] Error errno_error(int code, std::string_view what);

/// An error with no errno behind it.
template <typename... Args>
[[nodiscard]] Error make_error(fmt::format_string<Args...> format, Args&&... args) {
    return Error{fmt::format(format, std::forward<Args>(args)...), 0};
}

}  // namespace rk
