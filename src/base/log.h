// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace rk {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Log lines on stderr in the shape users' scripts know (logrus' text format): key=value when
/// stderr is not a terminal, `WARN[0000] message` in colour when it is. Every message carries the
/// prefix
/// "[rootlesskit:ID] ".
///
/// One Logger per process, made by main and handed down. Each line is one write(2), so lines of
/// parent, child and command never mix.
class Logger {
 public:
    struct Options {
        std::string id;         // "parent", "child " (padded to six characters)
        bool debug = false;     // whether kDebug lines appear
        int fd = 2;             // borrowed, open for the logger's life
        bool terminal = false;  // format for a person
    };
    explicit Logger(Options options);

    template <typename... Args>
    void debug(fmt::format_string<Args...> format, Args&&... args) const {
        if (options_.debug) {
            write(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
        }
    }
    template <typename... Args>
    void info(fmt::format_string<Args...> format, Args&&... args) const {
        write(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
    }
    template <typename... Args>
    void warn(fmt::format_string<Args...> format, Args&&... args) const {
        write(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
    }

    /// The fatal line, in its own format: "[rootlesskit:ID] error: MESSAGE".
    void fatal(std::string_view message) const;

    /// A line of the same shape with another word: "[rootlesskit:ID] WORD: MESSAGE".
    void plain(std::string_view word, std::string_view message) const;

    [[nodiscard]] bool debug_enabled() const { return options_.debug; }

 private:
    void write(LogLevel level, std::string_view message) const;

    Options options_;
    std::chrono::steady_clock::time_point started_;
};

/// One formatted log line (with its newline). Pure, so that the format is tested without a
/// terminal. `wall` is seconds since the epoch, rendered in local time; `uptime_seconds` is for
/// terminals.
[[nodiscard]] std::string format_log_line(LogLevel level, std::string_view message, bool terminal,
                                          std::int64_t wall, std::int64_t uptime_seconds);

}  // namespace rk
