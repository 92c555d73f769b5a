// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/vpnkit_session.h"

#include "base/text.h"
#include "relay/frame_relay.h"
#include "sys/unix_stream.h"
#include "wire/dhcp_message.h"
#include "wire/udp_packet.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>

#include <poll.h>
#include <sys/random.h>

namespace rk::drivers {

namespace {

// vpnkit takes a tenth of a second until it listens.
constexpr std::chrono::milliseconds kConnectEvery{5};
constexpr std::chrono::milliseconds kDiscoverEvery{1000};
constexpr std::size_t kReadBytes = 65536;

enum class Waited { kReady, kPaused };

// Waits until the socket (or nothing, -1) can be read or written, or the pause is over. Errors: the
// deadline, the end of vpnkit.
Result<Waited> wait_for(const VpnkitPeer& peer, int socket, short events, sys::Deadline pause) {
    std::array<pollfd, 2> watched = {pollfd{socket, events, 0},
                                     pollfd{peer.exited.number(), POLLIN, 0}};
    const int timeout = std::min(peer.deadline.poll_timeout(), pause.poll_timeout());
    const int count = ::poll(watched.data(), watched.size(), timeout);
    if (count < 0 && errno != EINTR) {
        return fail(errno_error(errno, "poll"));
    }
    if (count > 0 && watched[0].revents != 0) {
        return Waited::kReady;
    }
    if (count > 0 && watched[1].revents != 0) {
        return fail("vpnkit has ended");
    }
    if (peer.deadline.passed()) {
        return fail(Error{"vpnkit did not answer in time", ETIMEDOUT});
    }
    return Waited::kPaused;
}

Result<void> send_all(const VpnkitPeer& peer, sys::FdRef socket, std::string_view rest) {
    while (!rest.empty()) {
        TRY(wait_for(peer, socket.number(), POLLOUT, peer.deadline));
        rest.remove_prefix(TRY(sys::send_some(socket, rest)).value_or(0));
    }
    return {};
}

Result<std::string> receive_exactly(const VpnkitPeer& peer, sys::FdRef socket, std::size_t count) {
    std::string bytes(count, '\0');
    std::size_t filled = 0;
    while (filled < count) {
        TRY(wait_for(peer, socket.number(), POLLIN, peer.deadline));
        const auto got =
            TRY(sys::receive_some(socket, std::span<char>(bytes).subspan(filled, count - filled)));
        if (got && *got == 0) {
            return fail("vpnkit has closed the connection");
        }
        filled += got.value_or(0);
    }
    return bytes;
}

Result<sys::Fd> connect(const VpnkitPeer& peer) {
    for (;;) {
        auto socket = sys::connect_unix_stream_at_once(peer.socket_path);
        const int code = socket ? 0 : socket.error().code;
        if (code != ENOENT && code != ECONNREFUSED && code != EAGAIN) {
            return socket;
        }
        TRY(wait_for(peer, -1, 0, sys::Deadline::after(kConnectEvery)));
    }
}

Result<wire::VpnkitInterface> shake_hands(const VpnkitPeer& peer, sys::FdRef socket,
                                          const std::string& uuid) {
    TRY(send_all(peer, socket, wire::encode_vpnkit_hello()));
    const std::string hello = TRY(receive_exactly(peer, socket, wire::kVpnkitHelloBytes));
    if (!wire::is_vpnkit_hello(hello)) {
        return fail("what answers there is not vpnkit");
    }
    TRY(send_all(peer, socket, wire::encode_vpnkit_request(uuid)));
    const std::string answer = TRY(receive_exactly(peer, socket, 1));
    if (answer[0] != static_cast<char>(wire::kVpnkitGranted)) {
        const std::string length = TRY(receive_exactly(peer, socket, 1));
        const std::string text =
            TRY(receive_exactly(peer, socket, static_cast<unsigned char>(length[0])));
        return fail("vpnkit refused: {}", quote(text));
    }
    return wire::decode_vpnkit_interface(
        TRY(receive_exactly(peer, socket, wire::kVpnkitInterfaceBytes)));
}

std::string discover_frame(const model::MacAddress& mac, std::uint32_t transaction) {
    const std::string message = wire::encode_dhcp({.transaction = transaction, .client = mac});
    const auto packet =
        wire::encode_udp_packet({{model::IpAddress::v4(0), wire::kDhcpClientPort},
                                 {model::IpAddress::v4(0xffffffff), wire::kDhcpServerPort},
                                 message});
    const std::string frame =
        wire::encode_frame({model::kBroadcastMac, mac, wire::kEtherTypeIpv4}, *packet);
    const auto length = wire::vpnkit_length(frame.size());
    return std::string(length.begin(), length.end()) + frame;
}

// The address, where a frame is an offer for us.
std::optional<model::IpAddress> offered(std::string_view bytes, const model::MacAddress& mac,
                                        std::uint32_t transaction) {
    const auto frame = wire::decode_frame(bytes);
    if (!frame || frame->header.type != wire::kEtherTypeIpv4) {
        return std::nullopt;
    }
    const auto datagram = wire::decode_udp_packet(frame->payload, wire::UdpChecksum::kVerified);
    if (!datagram || datagram->to.port != wire::kDhcpClientPort) {
        return std::nullopt;
    }
    const auto reply = wire::decode_dhcp(datagram->payload);
    if (!reply || reply->type != wire::DhcpType::kOffer || reply->transaction != transaction ||
        reply->client != mac || reply->your_address.is_unspecified()) {
        return std::nullopt;
    }
    return reply->your_address;
}

// Frames as they arrive; what is no offer is dropped, as nobody has an address to get it by.
class OfferReader {
 public:
    OfferReader(const model::MacAddress& mac, std::uint32_t transaction)
        : mac_(mac), transaction_(transaction) {}

    // Reads what is there.
    Result<std::optional<VpnkitAddress>> read(sys::FdRef socket) {
        std::array<char, kReadBytes> chunk;  // NOLINT(*-member-init): filled by the kernel
        const auto got = TRY(sys::receive_some(socket, chunk));
        if (got && *got == 0) {
            return fail("vpnkit has closed the connection");
        }
        stream_.append(chunk.data(), got.value_or(0));
        std::string_view rest = stream_;
        std::optional<VpnkitAddress> found;
        while (!found) {
            const auto frame = wire::take_vpnkit_frame(rest);
            if (!frame) {
                break;
            }
            if (const auto address = offered(*frame, mac_, transaction_)) {
                found = VpnkitAddress{*address, std::string(rest)};
            }
        }
        stream_.erase(0, stream_.size() - rest.size());
        return found;
    }

 private:
    model::MacAddress mac_;
    std::uint32_t transaction_;
    std::string stream_;  // less than a frame, and what was read last
};
// What is left over always fits the relay.
static_assert(kReadBytes + wire::kVpnkitMaxFrame + wire::kVpnkitLengthBytes <=
              relay::kMaxFramesBefore + 2);

template <typename T>
Result<T> random_value() {
    T value{};
    // 256 bytes or less come at once (getrandom(2)).
    if (::getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) {
        return fail(errno_error(errno, "getrandom"));
    }
    return value;
}

}  // namespace

Result<VpnkitConnection> connect_vpnkit(const VpnkitPeer& peer, const std::string& uuid) {
    VpnkitConnection connection;
    connection.socket = TRY(connect(peer));
    connection.interface = TRY(shake_hands(peer, connection.socket, uuid));
    return connection;
}

Result<VpnkitAddress> discover_vpnkit_address(const VpnkitPeer& peer,
                                              const VpnkitConnection& connection) {
    const auto transaction = TRY(random_value<std::uint32_t>());
    OfferReader reader(connection.interface.mac, transaction);
    const std::string discover = discover_frame(connection.interface.mac, transaction);
    for (;;) {
        TRY(send_all(peer, connection.socket, discover));
        const sys::Deadline next = sys::Deadline::after(kDiscoverEvery);
        while (!next.passed()) {
            if (TRY(wait_for(peer, connection.socket.number(), POLLIN, next)) == Waited::kPaused) {
                continue;
            }
            if (auto found = TRY(reader.read(connection.socket))) {
                return *std::move(found);
            }
        }
    }
}

Result<std::string> random_uuid() {
    using Bytes = std::array<std::uint8_t, 16>;
    return wire::uuid_text(TRY(random_value<Bytes>()));
}

}  // namespace rk::drivers
