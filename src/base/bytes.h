// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rk {

/// The one reader of untrusted binary bytes. Integers are little-endian, those of be16() and be32()
/// big-endian. After the first read past the end every further read fails too, so a decoder may
/// check once at the end (ok()).
class ByteReader {
 public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

    [[nodiscard]] std::uint8_t u8() { return static_cast<std::uint8_t>(unsigned_integer(1)); }
    [[nodiscard]] std::uint16_t u16() { return static_cast<std::uint16_t>(unsigned_integer(2)); }
    [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(unsigned_integer(4)); }
    [[nodiscard]] std::uint64_t u64() { return unsigned_integer(8); }
    /// Big-endian, as in the headers of packets.
    [[nodiscard]] std::uint16_t be16() {
        const std::uint16_t high = u8();
        return static_cast<std::uint16_t>(high << 8U | u8());
    }
    [[nodiscard]] std::uint32_t be32() {
        const std::uint32_t high = be16();
        return high << 16U | be16();
    }
    [[nodiscard]] std::string_view bytes(std::size_t count) {
        if (count > rest_.size()) {
            ok_ = false;
            rest_ = {};
            return {};
        }
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }
    /// A u32 length and that many bytes.
    [[nodiscard]] std::string_view text() { return bytes(u32()); }

    /// False once something was read past the end.
    [[nodiscard]] bool ok() const { return ok_; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] std::size_t left() const { return rest_.size(); }

 private:
    std::uint64_t unsigned_integer(std::size_t width) {
        const std::string_view raw = bytes(width);
        std::uint64_t value = 0;
        for (std::size_t i = raw.size(); i > 0; --i) {
            value = (value << 8U) | static_cast<unsigned char>(raw[i - 1]);
        }
        return value;
    }

    std::string_view rest_;
    bool ok_ = true;
};

/// The writer that ByteReader reads.
class ByteWriter {
 public:
    ByteWriter& u8(std::uint8_t value) { return unsigned_integer(value, 1); }
    ByteWriter& u16(std::uint16_t value) { return unsigned_integer(value, 2); }
    ByteWriter& u32(std::uint32_t value) { return unsigned_integer(value, 4); }
    ByteWriter& u64(std::uint64_t value) { return unsigned_integer(value, 8); }
    ByteWriter& be16(std::uint16_t value) {
        return u8(static_cast<std::uint8_t>(value >> 8U)).u8(static_cast<std::uint8_t>(value));
    }
    ByteWriter& be32(std::uint32_t value) {
        return be16(static_cast<std::uint16_t>(value >> 16U))
            .be16(static_cast<std::uint16_t>(value));
    }
    ByteWriter& bytes(std::string_view raw) {
        out_ += raw;
        return *this;
    }
    ByteWriter& text(std::string_view value) {
        u32(static_cast<std::uint32_t>(value.size()));
        return bytes(value);
    }
    /// Zero bytes up to the next multiple of `alignment`.
    ByteWriter& align(std::size_t alignment) {
        while (out_.size() % alignment != 0) {
            out_ += '\0';
        }
        return *this;
    }
    [[nodiscard]] const std::string& written() const { return out_; }
    [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
    ByteWriter& unsigned_integer(std::uint64_t value, std::size_t width) {
        for (std::size_t i = 0; i < width; ++i) {
            out_ += static_cast<char>(value & 0xffU);
            value >>= 8U;
        }
        return *this;
    }

    std::string out_;
};

}  // namespace rk
