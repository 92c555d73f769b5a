// SPDX-License-Identifier: Apache-2.0
//
// The one copy of fmt's compiled half. Debian ships it as a shared library only, and our programs
// are static; fmt's header-only mode instead would compile it again in each file (3.6 s instead of
// 0.4 s for a file that formats one line). With FMT_HEADER_ONLY defined this file is empty.
#ifndef FMT_HEADER_ONLY

#include <fmt/format-inl.h>

FMT_BEGIN_NAMESPACE
namespace detail {

// What <fmt/format.h> declares `extern template`.
template FMT_API auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template FMT_API auto decimal_point_impl(locale_ref) -> char;

}  // namespace detail
FMT_END_NAMESPACE

#endif
