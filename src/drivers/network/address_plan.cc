// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/address_plan.h"

namespace rk::drivers {

namespace {

constexpr model::Ipv4Network kDefaultNetwork{0x0a000200, 24};
constexpr std::uint32_t kGateway = 2;
constexpr std::uint32_t kNameServer = 3;
constexpr std::uint32_t kGvisorGateway = 1;   // it is the name server, too
constexpr std::uint32_t kNamespace = 100;     // options allow no network without a 100th address
constexpr std::uint32_t kDefaultMtu = 65520;  // bytes; close to an IP packet's limit, 65535

}  // namespace

model::NetworkSetup plan_addresses(const model::Options& options) {
    const model::Ipv4Network network = options.cidr.value_or(kDefaultNetwork);
    const auto number = [&](std::uint32_t n) { return model::IpAddress::v4(network.address + n); };
    model::NetworkSetup setup;
    setup.device = options.ifname.empty() ? "tap0" : options.ifname;
    setup.address = number(kNamespace);
    setup.prefix = network.prefix;
    const bool one_router = options.network == model::NetworkDriver::kGvisorTapVsock;
    setup.gateway = number(one_router ? kGvisorGateway : kGateway);
    setup.dns = {number(one_router ? kGvisorGateway : kNameServer)};
    setup.mtu = options.mtu != 0 ? options.mtu : kDefaultMtu;
    setup.ipv6 = options.ipv6;
    return setup;
}

}  // namespace rk::drivers
