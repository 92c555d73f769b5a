// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: the builtin network is made of parts of the kernel. Distributions build them
// as modules, which the kernel loads when they are asked for, unless that is forbidden or they are
// not installed; small kernels of virtual machines lack some. Which step failed says which part.
#include "doctor/rules.h"

#include <fmt/format.h>

#include <cerrno>

namespace rk::doctor::rules {

namespace {

// What the kernel says for a kind of interface, an expression or a protocol that it does not know.
bool not_known(int code) {
    return code == EOPNOTSUPP || code == ENOENT || code == EPROTONOSUPPORT ||
           code == EAFNOSUPPORT || code == ENOPROTOOPT;
}

constexpr std::string_view kWithout = "--net=slirp4netns and --net=pasta do without";

}  // namespace

Answer builtin_without_veth(const Failure& failure, const Facts& /*facts*/) {
    if (failure.program != kBuiltinNetwork || failure.target != kFeatureVeth ||
        !not_known(failure.code)) {
        return std::nullopt;
    }
    return Diagnosis{.cause = "this kernel has no veth interfaces (CONFIG_VETH)",
                     .remedy = fmt::format("sudo modprobe veth; {}", kWithout),
                     .block = {}};
}

Answer builtin_without_tproxy(const Failure& failure, const Facts& /*facts*/) {
    if (failure.program != kBuiltinNetwork || failure.target != kFeatureTproxy ||
        !not_known(failure.code)) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = "this kernel has no nf_tables with tproxy (CONFIG_NF_TABLES, CONFIG_NFT_TPROXY)",
        .remedy = fmt::format("sudo modprobe -a nf_tables nft_tproxy; {}", kWithout),
        .block = {}};
}

// Whatever else it is, it has nothing to do with /dev/net/tun.
Answer builtin_failed(const Failure& failure, const Facts& facts) {
    if (failure.program != kBuiltinNetwork) {
        return std::nullopt;
    }
    if (auto filtered = seccomp(failure, facts)) {
        return filtered;
    }
    return Diagnosis{.cause = "the kernel refused a part of the builtin network",
                     .remedy = fmt::format("repeat with --debug; {}", kWithout),
                     .block = {}};
}

}  // namespace rk::doctor::rules
