// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace rk::sys {

/// A borrowed file descriptor: valid as long as its owner lives. Never closes.
class FdRef {
 public:
    constexpr explicit FdRef(int number) : number_(number) {}
    [[nodiscard]] constexpr int number() const { return number_; }
    [[nodiscard]] bool valid() const { return number_ >= 0; }

 private:
    int number_;
};

/// An owned file descriptor, closed at the end of its life. Every fd in this program is born
/// close-on-exec; what must survive an exec is passed on explicitly (see keep_across_exec).
class Fd {
 public:
    Fd() = default;
    explicit Fd(int number) : number_(number) {}
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, kNone)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset();
            number_ = std::exchange(other.number_, kNone);
        }
        return *this;
    }
    ~Fd() { reset(); }

    [[nodiscard]] int number() const { return number_; }
    [[nodiscard]] bool valid() const { return number_ != kNone; }
    operator FdRef() const { return FdRef(number_); }  // NOLINT(google-explicit-constructor)

    /// Closes now. Safe on an empty Fd.
    void reset() noexcept;
    /// Gives the number up without closing it.
    [[nodiscard]] int release() noexcept { return std::exchange(number_, kNone); }

 private:
    static constexpr int kNone = -1;
    int number_ = kNone;
};

}  // namespace rk::sys
