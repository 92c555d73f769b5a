// SPDX-License-Identifier: Apache-2.0
#include "wire/getsubids_output.h"

#include "base/text.h"

namespace rk::wire {

namespace {

Result<std::uint64_t> number(std::string_view text, std::size_t line) {
    const auto value = parse_decimal(text);
    if (!value) {
        return fail("line {}: failed to Atoi({})", line, quote(text));
    }
    return *value;
}

Result<void> parse_line(std::string_view text, std::size_t line, std::string_view origin,
                        GetsubidsOutput& output) {
    const std::vector<std::string_view> fields = split(text, ':');
    if (fields.size() < 2) {
        return fail("line {}: unparsable line {}", line, quote(text));
    }
    const std::vector<std::string_view> words = split_blanks(fields[1]);
    if (words.size() < 3) {
        return fail("line {}: unparsable line {}", line, quote(text));
    }
    if (fields.size() > 2 || words.size() > 3) {
        output.warnings.push_back(
            fmt::format("line {}: {} contains unknown fields", line, quote(text)));
    }
    const std::uint64_t start = TRY(number(words[1], line));
    const std::uint64_t length = TRY(number(words[2], line));
    const auto usable = model::clip_range(start, length);
    if (!usable || usable->length != length) {
        output.warnings.push_back(fmt::format(
            "line {}: {} goes past the last ID, 4294967294, or is empty", line, quote(text)));
    }
    if (usable) {
        output.ranges.push_back(
            model::SourcedRange{.range = *usable, .origin = std::string(origin)});
    }
    return {};
}

}  // namespace

Result<GetsubidsOutput> parse_getsubids_output(std::string_view text, std::string_view origin) {
    GetsubidsOutput output;
    std::size_t number_of_line = 0;
    for (const std::string_view raw : split(text, '\n')) {
        ++number_of_line;
        const std::string_view line = trim(raw);
        if (!line.empty() && line.front() != '#') {
            TRY(parse_line(line, number_of_line, origin, output));
        }
    }
    return output;
}

}  // namespace rk::wire
