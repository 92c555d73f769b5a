// SPDX-License-Identifier: Apache-2.0
//
// The law of errors, on one page:
//
// * A function that can fail in a way its caller may meet returns Result<T>. It neither prints nor
//   exits; only tools/ and the event loops log.
// * TRY(expr) yields the value or returns the error unchanged. TRY_CTX(expr, fmt, ...) adds "what
// we
//   tried, on what" once per floor, so the final line reads from the outside in.
// * Expected failures are values, bugs are assertions. Nobody compares an error's text: callers
// that
//   react look at Error::code.
#pragma once

#include "base/error.h"

#include <tl/expected.hpp>

#include <utility>

namespace rk {

template <typename T>
using Result = tl::expected<T, Error>;

/// Makes a failed Result of any type out of an error.
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

/// Makes a failed Result out of a message.
template <typename... Args>
[[nodiscard]] tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
    return tl::unexpected<Error>(make_error(format, std::forward<Args>(args)...));
}

namespace detail {

template <typename T>
T take_value(Result<T>&& result) {
    return std::move(*result);
}
inline void take_value(Result<void>&& /*result*/) {}

}  // namespace detail

}  // namespace rk

// GNU statement expressions: both compilers we support have them, and they let TRY stand where a
// value stands (`Fd s = TRY(open_dir(path));`).
#define TRY(expression)                                       \
    __extension__({                                           \
        auto rk_result_ = (expression);                       \
        if (!rk_result_) {                                    \
            return ::rk::fail(std::move(rk_result_).error()); \
        }                                                     \
        ::rk::detail::take_value(std::move(rk_result_));      \
    })

#define TRY_CTX(expression, ...)                                                         \
    __extension__({                                                                      \
        auto rk_result_ = (expression);                                                  \
        if (!rk_result_) {                                                               \
            return ::rk::fail(                                                           \
                std::move(rk_result_).error().with_context(::fmt::format(__VA_ARGS__))); \
        }                                                                                \
        ::rk::detail::take_value(std::move(rk_result_));                                 \
    })
