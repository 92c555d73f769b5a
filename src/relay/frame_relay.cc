// SPDX-License-Identifier: Apache-2.0
#include "relay/frame_relay.h"

#include "wire/vpnkit.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::relay {

namespace {

using wire::kVpnkitLengthBytes;
using wire::kVpnkitMaxFrame;

// Bytes; what a socket of the default size takes at once, and three of the longest frames.
constexpr std::size_t kBufferBytes = std::size_t{208} << 10U;
// Then the other direction has its turn: some 60 us of reading.
constexpr int kFramesPerTurn = 64;
static_assert(kMaxFramesBefore <= kBufferBytes);
static_assert(kVpnkitLengthBytes + kVpnkitMaxFrame <= kBufferBytes);

constexpr std::uint32_t kOut = EPOLLOUT;

bool nothing_now(int code) {
    return code == EAGAIN || code == EINTR;
}

class FrameRelay {
 public:
    FrameRelay(sys::FdRef tap, sys::FdRef stream, std::string_view received)
        : tap_(tap), stream_(stream), in_(kBufferBytes), out_(kBufferBytes) {
        in_used_ = std::min(received.size(), kMaxFramesBefore);
        std::copy_n(received.begin(), in_used_, in_.begin());
    }

    Result<void> run() {
        poller_ = sys::Fd(::epoll_create1(EPOLL_CLOEXEC));
        TRY(watch(EPOLL_CTL_ADD, tap_, EPOLLIN));
        TRY(watch(EPOLL_CTL_ADD, stream_, EPOLLIN));
        TRY(deliver());
        for (;;) {
            TRY(turn());
        }
    }

 private:
    Result<void> turn() {
        std::array<epoll_event, 2> events;  // NOLINT(*-member-init): filled by the kernel
        const int count =
            ::epoll_pwait(poller_.number(), events.data(), events.size(), -1, nullptr);
        if (count < 0 && errno != EINTR) {
            return fail(errno_error(errno, "epoll_pwait"));
        }
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events.at(static_cast<std::size_t>(i));
            const bool of_stream = event.data.fd == stream_.number();
            if (!of_stream && (event.events & EPOLLERR) != 0) {
                return fail("the interface is gone");
            }
            if (of_stream && (event.events & ~kOut) != 0) {
                TRY(from_stream());
            }
            if (!of_stream || (event.events & kOut) != 0) {
                TRY(to_stream());
            }
        }
        return {};
    }

    // Reads from the tap only when all before was sent.
    Result<void> to_stream() {
        if (sent_ == filled_) {
            TRY(gather());
        }
        while (sent_ < filled_) {
            const ssize_t sent =
                ::send(stream_.number(), out_.data() + sent_, filled_ - sent_, MSG_NOSIGNAL);
            if (sent < 0 && !nothing_now(errno)) {
                return fail(errno_error(errno, "write to vpnkit"));
            }
            if (sent < 0) {
                return wait_for_room(true);
            }
            sent_ += static_cast<std::size_t>(sent);
        }
        return wait_for_room(false);
    }

    Result<void> gather() {
        sent_ = filled_ = 0;
        for (int i = 0; i < kFramesPerTurn; ++i) {
            if (out_.size() - filled_ < kVpnkitLengthBytes + kVpnkitMaxFrame) {
                return {};
            }
            char* const place = out_.data() + filled_;
            const ssize_t got = ::read(tap_.number(), place + kVpnkitLengthBytes, kVpnkitMaxFrame);
            if (got <= 0) {
                return got == 0 || nothing_now(errno)
                           ? Result<void>()
                           : fail(errno_error(errno, "read the interface"));
            }
            const auto length = wire::vpnkit_length(static_cast<std::size_t>(got));
            std::copy(length.begin(), length.end(), place);
            filled_ += kVpnkitLengthBytes + static_cast<std::size_t>(got);
        }
        return {};
    }

    Result<void> from_stream() {
        const ssize_t got =
            ::recv(stream_.number(), in_.data() + in_used_, in_.size() - in_used_, 0);
        if (got == 0) {
            return fail("vpnkit has closed the connection");
        }
        if (got < 0) {
            return nothing_now(errno) ? Result<void>()
                                      : fail(errno_error(errno, "read from vpnkit"));
        }
        in_used_ += static_cast<std::size_t>(got);
        return deliver();
    }

    // What is left is less than one frame, so that there is always room to read more.
    Result<void> deliver() {
        std::string_view rest(in_.data(), in_used_);
        while (const auto frame = wire::take_vpnkit_frame(rest)) {
            if (::write(tap_.number(), frame->data(), frame->size()) < 0 && errno == EBADFD) {
                return fail(errno_error(errno, "write to the interface"));  // it was deleted
            }
        }
        in_used_ = rest.size();
        std::memmove(in_.data(), rest.data(), rest.size());
        return {};
    }

    Result<void> wait_for_room(bool wanted) {
        if (wanted == std::exchange(waiting_, wanted)) {
            return {};
        }
        TRY(watch(EPOLL_CTL_MOD, tap_, wanted ? 0U : std::uint32_t{EPOLLIN}));
        return watch(EPOLL_CTL_MOD, stream_, EPOLLIN | (wanted ? kOut : 0U));
    }

    [[nodiscard]] Result<void> watch(int operation, sys::FdRef fd, std::uint32_t events) const {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd.number();
        if (::epoll_ctl(poller_.number(), operation, fd.number(), &event) < 0) {
            return fail(errno_error(errno, "epoll_ctl"));
        }
        return {};
    }

    sys::FdRef tap_;
    sys::FdRef stream_;
    sys::Fd poller_;
    std::vector<char> in_;  // from the stream; starts with a frame's length
    std::size_t in_used_ = 0;
    std::vector<char> out_;  // to the stream
    std::size_t filled_ = 0;
    std::size_t sent_ = 0;
    bool waiting_ = false;  // for room in the stream
};

}  // namespace

Result<void> relay_frames(sys::FdRef tap, sys::FdRef stream, std::string_view received) {
    return FrameRelay(tap, stream, received).run();
}

}  // namespace rk::relay
