// SPDX-License-Identifier: Apache-2.0
// Both halves of the codec. A spec that was read survives being written and read again.
#include "api/codec.h"
#include "api/egress_codec.h"
#include "api/json_scan.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto spec = rk::api::decode_spec(text);
    if (spec) {
        const auto again = rk::api::decode_spec(rk::api::encode_spec(*spec));
        if (!again || !(*again == *spec)) {
            std::abort();
        }
    } else if (spec.error().message.empty()) {
        std::abort();
    }
    if (const auto info = rk::api::decode_info(text)) {
        if (!rk::api::decode_info(rk::api::encode_info(*info))) {
            std::abort();
        }
    }
    const auto rule = rk::api::decode_egress_request(text);
    if (rule) {
        const auto again = rk::api::decode_egress_request(rk::api::encode_egress_request(
            rk::model::egress_action_text(rule->action), rule->text()));
        if (!again || !(*again == *rule)) {
            std::abort();
        }
    }
    static_cast<void>(rk::api::decode_egress(text));
    static_cast<void>(rk::api::decode_egress_list(text));
    static_cast<void>(rk::api::decode_status(text));
    static_cast<void>(rk::api::decode_statuses(text));
    static_cast<void>(rk::api::decode_error(text));
    static_cast<void>(rk::api::split_array(text));
    if (const auto stats = rk::api::decode_stats(text)) {
        if (!rk::api::decode_stats(rk::api::encode_stats(*stats))) {
            std::abort();
        }
    }
    const auto indented = rk::api::indent_json(text);
    if (indented && !rk::api::first_json_value(*indented)) {
        std::abort();
    }
    if (!rk::api::decode_error(rk::api::encode_error(text))) {
        std::abort();
    }
    return 0;
}
