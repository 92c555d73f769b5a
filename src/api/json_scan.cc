// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// A checker of JSON syntax (RFC 8259) without recursion: it keeps which brackets are open, and
// steps from token to token. It exists for two things the JSON library does not do: stop after the
// first value, and say what is wrong in the words of Go's decoder. Values are decoded by the
// library.
#include "api/json_scan.h"

#include "base/text.h"

#include <string>
#include <vector>

namespace rk::api {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Go takes the byte for a character of Latin-1.
std::string in_quotes(char c) {
    if (c == '\'') {
        return R"('\'')";
    }
    if (c == '"') {
        return R"('"')";
    }
    const auto byte = static_cast<unsigned char>(c);
    std::string character(1, c);
    if (byte >= 0x80U) {
        character = {static_cast<char>(0xc0U | (byte >> 6U)),
                     static_cast<char>(0x80U | (byte & 0x3fU))};
    }
    const std::string quoted = quote(character);
    return fmt::format("'{}'", std::string_view(quoted).substr(1, quoted.size() - 2));
}

class Scanner {
 public:
    explicit Scanner(std::string_view text) : text_(text) {}

    Result<std::string_view> run() {
        skip_blanks();
        if (at_end()) {
            return fail("EOF");
        }
        const std::size_t begin = position_;
        TRY(value());
        while (!open_.empty()) {
            TRY(open_.back() == '{' ? after_member() : after_element());
        }
        return text_.substr(begin, position_ - begin);
    }

 private:
    [[nodiscard]] bool at_end() const { return position_ >= text_.size(); }
    [[nodiscard]] bool at(char c) const { return !at_end() && text_[position_] == c; }
    [[nodiscard]] bool at_digit() const { return !at_end() && is_digit(text_[position_]); }

    void skip_blanks() {
        while (!at_end() && is_blank(text_[position_])) {
            ++position_;
        }
    }
    [[nodiscard]] tl::unexpected<Error> wrong(std::string_view where) const {
        if (at_end()) {
            return fail("unexpected EOF");
        }
        return fail("invalid character {} {}", in_quotes(text_[position_]), where);
    }
    Result<void> expect(char c, std::string_view where) {
        skip_blanks();
        if (!at(c)) {
            return wrong(where);
        }
        ++position_;
        return {};
    }
    Result<void> open(char bracket) {
        if (open_.size() >= kMaxJsonDepth) {
            return fail("exceeded max depth");
        }
        open_.push_back(bracket);
        ++position_;
        return {};
    }
    // Whether the bracket on top ends here.
    bool closes(char bracket) {
        skip_blanks();
        if (!at(bracket)) {
            return false;
        }
        ++position_;
        open_.pop_back();
        return true;
    }

    // A whole scalar, or a bracket and what stands in it up to the end of the first scalar.
    Result<void> value() {
        for (;;) {
            skip_blanks();
            if (at('[')) {
                TRY(open('['));
                if (closes(']')) {
                    return {};
                }
                continue;
            }
            if (at('{')) {
                TRY(open('{'));
                if (closes('}')) {
                    return {};
                }
                TRY(key());
                continue;
            }
            return scalar();
        }
    }
    Result<void> scalar() {
        if (at('"')) {
            return string();
        }
        if (at('-') || at_digit()) {
            return number();
        }
        for (const std::string_view word : {"true", "false", "null"}) {
            if (at(word[0])) {
                return literal(word);
            }
        }
        return wrong("looking for beginning of value");
    }
    Result<void> key() {
        skip_blanks();
        if (!at('"')) {
            return wrong("looking for beginning of object key string");
        }
        TRY(string());
        return expect(':', "after object key");
    }
    Result<void> after_member() {
        if (closes('}')) {
            return {};
        }
        TRY(expect(',', "after object key:value pair"));
        TRY(key());
        return value();
    }
    Result<void> after_element() {
        if (closes(']')) {
            return {};
        }
        TRY(expect(',', "after array element"));
        return value();
    }

    Result<void> literal(std::string_view word) {
        for (const char c : word) {
            if (!at(c)) {
                return wrong(fmt::format("in literal {} (expecting '{}')", word, c));
            }
            ++position_;
        }
        return {};
    }
    Result<void> string() {
        ++position_;
        while (!at('"')) {
            if (at_end() || static_cast<unsigned char>(text_[position_]) < 0x20U) {
                return wrong("in string literal");
            }
            if (text_[position_++] == '\\') {
                TRY(escape());
            }
        }
        ++position_;
        return {};
    }
    Result<void> escape() {
        constexpr std::string_view kSimple = "\"\\/bfnrt";
        if (!at('u')) {
            if (at_end() || kSimple.find(text_[position_]) == std::string_view::npos) {
                return wrong("in string escape code");
            }
            ++position_;
            return {};
        }
        ++position_;
        for (int i = 0; i < 4; ++i) {
            if (at_end() || !is_hex(text_[position_])) {
                return wrong("in \\u hexadecimal character escape");
            }
            ++position_;
        }
        return {};
    }
    Result<void> digits(std::string_view where) {
        if (!at_digit()) {
            return wrong(where);
        }
        while (at_digit()) {
            ++position_;
        }
        return {};
    }
    Result<void> number() {
        if (at('-')) {
            ++position_;
        }
        if (at('0')) {
            ++position_;
        } else {
            TRY(digits("in numeric literal"));
        }
        if (at('.')) {
            ++position_;
            TRY(digits("after decimal point in numeric literal"));
        }
        if (at('e') || at('E')) {
            ++position_;
            if (at('+') || at('-')) {
                ++position_;
            }
            TRY(digits("in exponent of numeric literal"));
        }
        return {};
    }

    std::string_view text_;
    std::size_t position_ = 0;
    std::vector<char> open_;
};

}  // namespace

Result<std::string_view> first_json_value(std::string_view text) {
    return Scanner(text).run();
}

// HTML or JavaScript would stumble over these; outside of strings they do not occur in JSON.
std::string escape_like_go(std::string_view json) {
    std::string escaped;
    escaped.reserve(json.size());
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        const std::string_view rest = json.substr(i);
        if (c == '<' || c == '>' || c == '&') {
            escaped += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else if (rest.starts_with("\xe2\x80\xa8") || rest.starts_with("\xe2\x80\xa9")) {
            escaped += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
            i += 2;
        } else {
            escaped += c;
        }
    }
    return escaped;
}

}  // namespace rk::api
