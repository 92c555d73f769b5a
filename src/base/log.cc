// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include "base/text.h"

#include <array>
#include <ctime>

#include <unistd.h>

namespace rk {

namespace {

struct LevelStyle {
    std::string_view word;        // logrus' level=
    std::string_view short_word;  // its four letters on a terminal
    int colour;                   // SGR code logrus uses
};

constexpr std::array<LevelStyle, 4> kStyles = {{
    {"debug", "DEBU", 37},
    {"info", "INFO", 36},
    {"warning", "WARN", 33},
    {"error", "ERRO", 31},
}};

// logrus pads a terminal message to this many columns before its fields.
constexpr int kTerminalMessageWidth = 44;

std::string local_rfc3339(std::int64_t wall) {
    const auto seconds = static_cast<std::time_t>(wall);
    std::tm broken_down{};
    localtime_r(&seconds, &broken_down);
    const long offset = broken_down.tm_gmtoff;
    std::string zone = "Z";
    if (offset != 0) {
        const long minutes = (offset < 0 ? -offset : offset) / 60;
        zone = fmt::format("{}{:02}:{:02}", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
    }
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}", broken_down.tm_year + 1900,
                       broken_down.tm_mon + 1, broken_down.tm_mday, broken_down.tm_hour,
                       broken_down.tm_min, broken_down.tm_sec, zone);
}

// logrus quotes a value only where it holds a character outside this set.
bool needs_quoting(std::string_view text) {
    if (text.empty()) {
        return false;
    }
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/@^+";
    return text.find_first_not_of(kPlain) != std::string_view::npos;
}

void write_all(int fd, std::string_view line) {
    while (!line.empty()) {
        const ssize_t written = ::write(fd, line.data(), line.size());
        if (written <= 0) {
            return;  // nobody left to tell
        }
        line.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

std::string format_log_line(LogLevel level, std::string_view message, bool terminal,
                            std::int64_t wall, std::int64_t uptime_seconds) {
    const LevelStyle& style = kStyles.at(static_cast<std::size_t>(level));
    if (terminal) {
        return fmt::format("\x1b[{}m{}\x1b[0m[{:04}] {:<{}} \n", style.colour, style.short_word,
                           uptime_seconds, message, kTerminalMessageWidth);
    }
    return fmt::format("time=\"{}\" level={} msg={}\n", local_rfc3339(wall), style.word,
                       needs_quoting(message) ? quote(message) : std::string(message));
}

Logger::Logger(Options options)
    : options_(std::move(options)), started_(std::chrono::steady_clock::now()) {}

void Logger::write(LogLevel level, std::string_view message) const {
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::steady_clock::now() - started_);
    const std::string text = fmt::format("[rootlesskit:{}] {}", options_.id, message);
    write_all(options_.fd,
              format_log_line(level, text, options_.terminal, std::time(nullptr), uptime.count()));
}

void Logger::fatal(std::string_view message) const {
    plain("error", message);
}

void Logger::plain(std::string_view word, std::string_view message) const {
    write_all(options_.fd, fmt::format("[rootlesskit:{}] {}: {}\n", options_.id, word, message));
}

}  // namespace rk
