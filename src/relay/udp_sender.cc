// SPDX-License-Identifier: Apache-2.0
#include "relay/udp_sender.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>

namespace rk::relay {

namespace {

// Appends control messages to a header, which CMSG_NXTHDR cannot do without a zeroed buffer.
class ControlWriter {
 public:
    ControlWriter(msghdr& header, UdpControl& control) : header_(header), control_(control) {
        header_.msg_control = nullptr;
        header_.msg_controllen = 0;
    }
    template <typename T>
    void put(int level, int type, const T& value) {
        cmsghdr item{};
        item.cmsg_level = level;
        item.cmsg_type = type;
        item.cmsg_len = CMSG_LEN(sizeof value);
        std::byte* const at = control_.bytes.data() + header_.msg_controllen;
        std::memset(at, 0, CMSG_SPACE(sizeof value));
        std::memcpy(at, &item, sizeof item);
        std::memcpy(at + CMSG_LEN(0), &value, sizeof value);
        header_.msg_control = control_.bytes.data();
        header_.msg_controllen += CMSG_SPACE(sizeof value);
    }

 private:
    msghdr& header_;
    UdpControl& control_;
};

void put_source(const UdpRoute& route, ControlWriter& control) {
    if (!route.with_source) {
        return;
    }
    if (route.family == AF_INET) {
        in_pktinfo info{};
        info.ipi_spec_dst.s_addr = htonl(route.source.to_v4());
        control.put(IPPROTO_IP, IP_PKTINFO, info);
        return;
    }
    in6_pktinfo info{};  // v4-mapped for IPv4, which the kernel understands (ip_cmsg_send)
    std::copy(route.source.bytes().begin(), route.source.bytes().end(),
              static_cast<std::uint8_t*>(info.ipi6_addr.s6_addr));
    control.put(IPPROTO_IPV6, IPV6_PKTINFO, info);
}

void put_destination(const UdpRoute& route, msghdr& header) {
    header.msg_name =
        route.to == nullptr ? nullptr : const_cast<sockaddr*>(&route.to->any);  // NOLINT
    header.msg_namelen = route.to == nullptr ? 0 : route.to->length;
}

// One plain datagram, the slow way: what the fast one could not do.
void send_piece(UdpRoute& route, std::span<std::byte> bytes, SendTally& tally) {
    for (int attempt = 0; attempt < 3; ++attempt) {
        iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
        msghdr header{};
        UdpControl memory;  // NOLINT(*-member-init): written where it is read
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        put_destination(route, header);
        ControlWriter control(header, memory);
        put_source(route, control);
        if (::sendmsg(route.socket.number(), &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            tally.bytes += bytes.size();
            return;
        }
        if (errno == ECONNREFUSED) {
            ++tally.refused;
        } else if (route.with_source && (errno == EINVAL || errno == EADDRNOTAVAIL)) {
            route.with_source = false;  // a subnet's broadcast address, or one that has gone
        } else {
            break;
        }
    }
    ++tally.dropped;
}

void send_pieces(UdpRoute& route, std::span<const Datagram> datagrams, SendTally& tally) {
    for (const Datagram& datagram : datagrams) {
        std::span<std::byte> rest = datagram.bytes;
        const std::size_t size = datagram.segment == 0 ? rest.size() : datagram.segment;
        do {
            const std::size_t piece = std::min(size, rest.size());
            send_piece(route, rest.first(piece), tally);
            rest = rest.subspan(piece);
        } while (!rest.empty());
    }
}

bool is_about_bundles(int code) {
    return code == EINVAL || code == EIO || code == EMSGSIZE || code == EOPNOTSUPP;
}

std::uint64_t count_of(std::span<const Datagram> datagrams) {
    std::uint64_t count = 0;
    for (const Datagram& datagram : datagrams) {
        count += datagram.count();
    }
    return count;
}

}  // namespace

void UdpSender::send(UdpRoute& route, std::span<const Datagram> datagrams, SendTally& tally) {
    std::size_t slots = 0;
    for (std::size_t first = 0; first < datagrams.size();) {
        if (!route.bundles && datagrams[first].segment > 0) {
            transmit(route, datagrams, slots, tally);  // keeps the order
            slots = 0;
            send_pieces(route, datagrams.subspan(first, 1), tally);
            ++first;
            continue;
        }
        const Bundle bundle = next_bundle(route, datagrams, first);
        for (std::size_t i = 0; i < bundle.count; ++i) {
            const auto& bytes = datagrams[first + i].bytes;
            parts_.at(first + i) = {.iov_base = bytes.data(), .iov_len = bytes.size()};
        }
        compose(route, bundle, slots);
        first += bundle.count;
        ++slots;
    }
    transmit(route, datagrams, slots, tally);
}

UdpSender::Bundle UdpSender::next_bundle(const UdpRoute& route, std::span<const Datagram> datagrams,
                                         std::size_t first) {
    const Datagram& head = datagrams[first];
    const std::size_t size = head.bytes.size();
    Bundle bundle{.first = first, .count = 1, .bytes = size, .segment = head.segment};
    if (head.segment > 0 || size == 0 || !route.bundles) {
        return bundle;
    }
    for (const Datagram& next : datagrams.subspan(first + 1)) {
        const std::size_t more = next.bytes.size();
        if (next.segment > 0 || more == 0 || more > size || bundle.count == kUdpMaxSegments ||
            bundle.bytes + more > kUdpMaxBundle) {
            break;
        }
        ++bundle.count;
        bundle.bytes += more;
        if (more < size) {
            break;  // only the last segment may be shorter
        }
    }
    bundle.segment = bundle.count > 1 ? size : 0;
    return bundle;
}

void UdpSender::compose(const UdpRoute& route, const Bundle& bundle, std::size_t slot) {
    bundles_.at(slot) = bundle;
    msghdr& header = headers_.at(slot).msg_hdr;
    header.msg_iov = &parts_.at(bundle.first);
    header.msg_iovlen = bundle.count;
    put_destination(route, header);
    ControlWriter control(header, controls_.at(slot));
    put_source(route, control);
    if (bundle.segment > 0) {
        control.put(SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(bundle.segment));
    }
}

void UdpSender::transmit(UdpRoute& route, std::span<const Datagram> datagrams, std::size_t count,
                         SendTally& tally) {
    bool sent_again = false;
    for (std::size_t i = 0; i < count;) {
        const int sent = ::sendmmsg(route.socket.number(), &headers_[i],
                                    static_cast<unsigned>(count - i), MSG_DONTWAIT | MSG_NOSIGNAL);
        const int code = sent < 0 ? errno : 0;
        if (sent > 0) {
            for (std::size_t end = i + static_cast<std::size_t>(sent); i < end; ++i) {
                tally.bytes += bundles_[i].bytes;
            }
            sent_again = false;
            continue;
        }
        if (code == ECONNREFUSED && !sent_again) {
            ++tally.refused;
            sent_again = true;
            continue;
        }
        const auto failed = datagrams.subspan(bundles_[i].first, bundles_[i].count);
        if (code == EAGAIN || code == ENOBUFS) {
            tally.dropped += count_of(failed);
        } else {
            if (bundles_[i].segment > 0 && is_about_bundles(code)) {
                route.bundles = false;
            }
            send_pieces(route, failed, tally);
        }
        sent_again = false;
        ++i;
    }
}

}  // namespace rk::relay
