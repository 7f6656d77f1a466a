"""Actions of this assistant, run by a rasa-sdk action server: `intendant run actions`.

List an action's name under `actions:` in domain.yml and use it in a rule or story.
"""

# from rasa_sdk import Action
#
#
# class SayTheTime(Action):
#     def name(self):
#         return "action_say_the_time"
#
#     def run(self, dispatcher, tracker, domain):
#         from datetime import datetime
#
#         dispatcher.utter_message(text=f"It is {datetime.now():%H:%M}.")
#         return []
