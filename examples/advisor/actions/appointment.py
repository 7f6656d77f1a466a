"""The appointment form: offers free times and checks what the user asks for."""

import json
import re
from typing import Any, Dict, List, Optional, Text

from rasa_sdk import Action, FormValidationAction, Tracker
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.catalogue import DEFAULT_TIMES, FREE_TIMES

OPENS_AT, CLOSES_AT = 9 * 60, 16 * 60


def parse_time(text: Text) -> Optional[int]:
    """Reads "14 Uhr", "14:30" or "14.30 Uhr" as minutes after midnight."""
    match = re.search(r"\b(\d{1,2})(?:[:.](\d{2}))?", text)
    if match is None:
        return None
    hours, minutes = int(match.group(1)), int(match.group(2) or 0)
    return hours * 60 + minutes if hours < 24 and minutes < 60 else None


class ActionAskAppointmentTime(Action):
    """Asks for the time with one button per free appointment on the chosen day."""

    def name(self) -> Text:
        return "action_ask_appointment_form_appointment_time"

    def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> List[Dict[Text, Any]]:
        day = tracker.get_slot("appointment_day")
        mode = tracker.get_slot("appointment_mode")
        times = FREE_TIMES.get(day, DEFAULT_TIMES)
        dispatcher.utter_message(
            text=f"Frei sind {day} ({mode}) diese Zeiten. Welche passt dir?",
            buttons=[
                {"title": time, "payload": "/inform" + json.dumps({"time": time})}
                for time in times
            ],
        )
        return []


class ValidateAppointmentForm(FormValidationAction):
    """Checks day, time and student id of an appointment."""

    def name(self) -> Text:
        return "validate_appointment_form"

    def validate_appointment_day(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> Dict[Text, Any]:
        if str(value).lower() in {"samstag", "sonnabend", "sonntag", "wochenende"}:
            dispatcher.utter_message(response="utter_wrong_day")
            return {"appointment_day": None}
        return {"appointment_day": value}

    def validate_appointment_time(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> Dict[Text, Any]:
        minutes = parse_time(str(value))
        if minutes is None or not OPENS_AT <= minutes < CLOSES_AT:
            dispatcher.utter_message(response="utter_wrong_time")
            return {"appointment_time": None}
        return {"appointment_time": f"{minutes // 60}:{minutes % 60:02} Uhr"}

    def validate_student_id(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> Dict[Text, Any]:
        if value == "keine" or re.fullmatch(r"\d{7}", str(value)):
            return {"student_id": value}
        dispatcher.utter_message(response="utter_wrong_student_id")
        return {"student_id": None}
