// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
//   tap  -- read: a frame each -->  [len|frame|len|frame ...]  -- one send -->  stream
//   tap  <-- write: a frame each --  [len|frame|len|frame ...] <-- one receive --  stream
//
// The kernel gives and takes one frame a call at the tap; at the stream as many as there are go in
// one call. A frame is read to where it is sent from, behind room for its length, and written from
// where it was received: nothing is copied, and nothing allocated after the start.
//
// A stream that takes nothing now stops the reading of the tap, whose queue then drops frames, as a
// network does. A tap that takes a frame not (its interface is down) loses it. After each batch the
// other direction has its turn. The end of the stream, and of the interface, is the end.
//
// The frames' contents are not looked at; a length is at most 65535 and always fits the buffer.
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <string_view>

namespace rk::relay {

/// Copies Ethernet frames between a tap and a stream that has each frame's length before it
/// (wire/vpnkit.h), both non-blocking, until one of them ends: always an error, saying which.
/// `received` is what came from the stream before, at most kMaxFramesBefore bytes.
[[nodiscard]] Result<void> relay_frames(sys::FdRef tap, sys::FdRef stream,
                                        std::string_view received);

inline constexpr std::size_t kMaxFramesBefore = std::size_t{128} << 10U;

}  // namespace rk::relay
