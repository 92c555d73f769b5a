// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: newuidmap(1) reads the same file again and refuses the whole map if one
// range is not in it, so a line that it does not understand, or understands differently, must not
// be used here either. Such lines were found by experiment with shadow 4.13: blanks around a line
// hide it; "010" is octal and "0x10" hexadecimal there. All of these are skipped with a warning, so
// that the good lines next to them still work.
#include "wire/subid_file.h"

#include "base/text.h"

#include <fmt/format.h>

#include <optional>

namespace rk::wire {

namespace {

// A file that is no sub-ID file at all must not fill the log.
constexpr std::size_t kMaxBrokenLinesTold = 3;

class Parser {
 public:
    Parser(std::string_view path, const SubidOwner& owner)
        : path_(path), name_(owner.name), uid_(fmt::format("{}", owner.uid)) {}

    void line(std::string_view raw, std::size_t number) {
        const std::string_view text = trim(raw);
        if (text.empty() || text.front() == '#') {
            return;
        }
        const std::string_view user = text.substr(0, text.find(':'));
        if (user.empty() || (user != name_ && user != uid_)) {
            return foreign_line(text, number);
        }
        if (++own_lines_ > kMaxOwnSubidLines) {
            if (own_lines_ == kMaxOwnSubidLines + 1) {
                note(number,
                     "more lines for one user than any ID map can hold; the rest is ignored");
            }
            return;
        }
        if (text.size() != raw.size()) {
            return warn(number, "blanks around the line hide it from newuidmap");
        }
        range(split(text, ':'), number);
    }

    SubidLines take() { return std::move(lines_); }

 private:
    // Somebody else's line does not concern us, unless it is so broken that it might be ours.
    void foreign_line(std::string_view text, std::size_t number) {
        if (split(text, ':').size() != 3 && ++broken_lines_ <= kMaxBrokenLinesTold) {
            warn(number, "not of the form USER:START:COUNT");
        }
    }

    void range(const std::vector<std::string_view>& fields, std::size_t line_number) {
        if (fields.size() != 3) {
            return warn(line_number, "not of the form USER:START:COUNT");
        }
        const auto start = plain_number(fields[1], line_number);
        const auto count = plain_number(fields[2], line_number);
        if (!start || !count) {
            return;
        }
        const auto usable = model::clip_range(*start, *count);
        if (!usable) {
            return warn(line_number, "the range holds no usable ID");
        }
        if (usable->length != *count) {
            note(line_number,
                 fmt::format("the range goes past the last ID, 4294967294; using {}:{}",
                             usable->start, usable->length));
        }
        lines_.ranges.push_back(
            model::SourcedRange{.range = *usable, .origin = origin(line_number)});
    }

    std::optional<std::uint64_t> plain_number(std::string_view text, std::size_t line_number) {
        const bool octal = text.size() > 1 && text.front() == '0';
        const auto value = octal ? std::nullopt : parse_decimal(text);
        if (!value) {
            warn(line_number, fmt::format("{} is not a decimal number", quote(text.substr(0, 40))));
        }
        return value;
    }

    void warn(std::size_t line_number, std::string_view what) {
        note(line_number, fmt::format("{}; line ignored", what));
    }
    void note(std::size_t line_number, std::string_view what) {
        lines_.warnings.push_back(fmt::format("{}: {}", origin(line_number), what));
    }
    [[nodiscard]] std::string origin(std::size_t line_number) const {
        return fmt::format("{}:{}", path_, line_number);
    }

    std::string_view path_;
    std::string_view name_;
    std::string uid_;
    std::size_t own_lines_ = 0;
    std::size_t broken_lines_ = 0;
    SubidLines lines_;
};

}  // namespace

SubidLines parse_subid_file(std::string_view text, std::string_view path, const SubidOwner& owner) {
    Parser parser(path, owner);
    std::size_t number = 0;
    for (const std::string_view line : split(text, '\n')) {
        parser.line(line, ++number);
    }
    return parser.take();
}

}  // namespace rk::wire
