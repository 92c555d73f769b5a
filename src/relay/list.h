// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace rk::relay {

/// A member of T that makes it listable. In one list at a time; never copied while listed.
template <typename T>
struct ListLink {
    T* previous = nullptr;
    T* next = nullptr;
    bool listed = false;
};

/// A doubly linked list through a member of its items: no allocation, removal in O(1). Borrows.
template <typename T, ListLink<T> T::*Member>
class List {
 public:
    [[nodiscard]] bool empty() const { return first_ == nullptr; }
    [[nodiscard]] T* front() const { return first_; }
    [[nodiscard]] static T* after(const T& item) { return (item.*Member).next; }

    void push_back(T& item) {
        ListLink<T>& link = item.*Member;
        link = {.previous = last_, .next = nullptr, .listed = true};
        (last_ == nullptr ? first_ : (last_->*Member).next) = &item;
        last_ = &item;
    }
    /// Does nothing where the item is in no list.
    void remove(T& item) {
        ListLink<T>& link = item.*Member;
        if (!link.listed) {
            return;
        }
        (link.previous == nullptr ? first_ : (link.previous->*Member).next) = link.next;
        (link.next == nullptr ? last_ : (link.next->*Member).previous) = link.previous;
        link = {};
    }
    T* pop_front() {
        T* const item = first_;
        if (item != nullptr) {
            remove(*item);
        }
        return item;
    }
    /// To the end, as the most recent one.
    void refresh(T& item) {
        if (last_ != &item) {
            remove(item);
            push_back(item);
        }
    }

 private:
    T* first_ = nullptr;
    T* last_ = nullptr;
};

}  // namespace rk::relay
