// SPDX-License-Identifier: Apache-2.0
#include "api/egress_codec.h"

#include "api/json_scan.h"
#include "base/text.h"

#include <nlohmann/json.hpp>

namespace rk::api {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& value) {
    return escape_like_go(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Json status_json(const drivers::EgressStatus& status) {
    Json object = Json::object();
    object["id"] = status.rule.id;
    object["action"] = std::string(model::egress_action_text(status.rule.action));
    object["rule"] = status.rule.text();
    object["source"] = std::string(drivers::egress_source_text(status.source));
    object["hits"] = status.hits;
    return object;
}

// Two texts of a flat object, without building what a peer could make deep.
class RequestReader final : public nlohmann::json_sax<Json> {
 public:
    [[nodiscard]] Result<model::EgressRule> result() const {
        if (!problem_.empty()) {
            return fail("{}", problem_);
        }
        if (action_ != "deny" && action_ != "allow") {
            return fail(R"(action must be "deny" or "allow", got {})", quote(action_));
        }
        return model::EgressRule::parse(
            action_ == "deny" ? model::EgressAction::kDeny : model::EgressAction::kAllow, rule_);
    }

    bool null() override { return other(); }
    bool boolean(bool /*value*/) override { return other(); }
    bool number_integer(number_integer_t /*value*/) override { return other(); }
    bool number_unsigned(number_unsigned_t /*value*/) override { return other(); }
    bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
        return other();
    }
    bool binary(binary_t& /*value*/) override { return false; }
    bool string(string_t& value) override {
        if (depth_ == 0) {
            return other();
        }
        if (depth_ == 1 && wanted() != nullptr) {
            *wanted() = value;
        }
        return true;
    }
    bool start_object(std::size_t /*size*/) override {
        if (depth_ > 0) {
            other();
        }
        return ++depth_, true;
    }
    bool end_object() override { return --depth_, true; }
    bool start_array(std::size_t /*size*/) override {
        other();
        return ++depth_, true;
    }
    bool end_array() override { return --depth_, true; }
    bool key(string_t& name) override {
        if (depth_ == 1) {
            key_ = name;
        }
        return true;
    }
    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const Json::exception& /*why*/) override {
        problem_ = fmt::format("invalid text or number near byte {}", position);
        return false;
    }

 private:
    [[nodiscard]] std::string* wanted() {
        return key_ == "action" ? &action_ : key_ == "rule" ? &rule_ : nullptr;
    }
    // A value that is no text, where one may be wanted. The first problem counts.
    bool other() {
        if (!problem_.empty()) {
            return true;
        }
        if (depth_ == 0) {
            problem_ = R"(the body must be an object with "action" and "rule")";
        } else if (depth_ == 1 && wanted() != nullptr) {
            problem_ = fmt::format("{} must be a string", key_);
        }
        return true;
    }

    std::string action_;
    std::string rule_;
    std::string key_;
    std::string problem_;
    int depth_ = 0;
};

}  // namespace

std::string encode_egress(const drivers::EgressStatus& status) {
    return dump(status_json(status));
}

std::string encode_egress_list(const std::vector<drivers::EgressStatus>& statuses) {
    Json list = Json::array();
    for (const drivers::EgressStatus& status : statuses) {
        list.push_back(status_json(status));
    }
    return dump(list);
}

std::string encode_egress_request(std::string_view action, std::string_view rule) {
    Json object = Json::object();
    object["action"] = std::string(action);
    object["rule"] = std::string(rule);
    return dump(object);
}

Result<model::EgressRule> decode_egress_request(std::string_view body) {
    const std::string_view value = TRY(first_json_value(body));
    RequestReader reader;
    static_cast<void>(Json::sax_parse(value, &reader));
    return reader.result();
}

}  // namespace rk::api
