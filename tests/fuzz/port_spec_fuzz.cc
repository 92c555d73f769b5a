// SPDX-License-Identifier: Apache-2.0
// Whatever is accepted keeps its invariants and survives being written out and read again.
#include "model/port_spec.h"

#include <cstdlib>

namespace {

std::string bracketed(const std::string& ip) {
    return ip.empty() ? ip : "[" + ip + "]";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto spec = rk::model::PortSpec::parse(text);
    if (!spec) {
        return spec.error().message.empty() ? std::abort(), 0 : 0;
    }
    if (spec->child_port() == 0 || spec->count() == 0 || spec->child_port_end() == 0 ||
        (spec->is_range() && (spec->parent_port() == 0 || spec->parent_port_end() == 0))) {
        std::abort();
    }
    const std::string parent = spec->inherited_name().empty()
                                   ? fmt::format("{}:{}-{}", bracketed(spec->parent_ip()),
                                                 spec->parent_port(), spec->parent_port_end())
                                   : spec->parent_ip();
    const bool any = spec->inherited_name().empty() && spec->parent_port() == 0;
    const std::string written = fmt::format(
        "{}:{}:{}-{}/{}", any ? fmt::format("{}:0", bracketed(spec->parent_ip())) : parent,
        bracketed(spec->child_ip()), spec->child_port(), spec->child_port_end(), spec->proto());
    const auto again = rk::model::PortSpec::parse(written);
    if (!again || !(*again == *spec)) {
        std::abort();
    }
    return 0;
}
